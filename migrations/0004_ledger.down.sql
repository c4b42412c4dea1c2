DROP TABLE entries, transactions, balances, accounts;
DROP FUNCTION refuse_born_resolved, only_resolve_holds, apply_entries, open_balances;
