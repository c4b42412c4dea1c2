DROP TABLE entries, transactions, balances, accounts;
DROP FUNCTION only_resolve_holds, apply_entries, open_balances;
