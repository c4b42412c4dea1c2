DROP TABLE entries, transactions, balances, accounts;
DROP FUNCTION refuse_born_resolved, only_resolve_holds, require_exact_undoing, apply_entries,
    require_whole_transactions, require_zero_sums, open_balances;
