"""What has to be true of the database by itself. Each query finds what is wrong."""

from __future__ import annotations

from typing import LiteralString

UNBALANCED = """
    SELECT transaction_id, currency, layer, sum(amount) FROM history
    GROUP BY transaction_id, currency, layer HAVING sum(amount) <> 0
"""

GAPS = """
    SELECT account, min(version), max(version), count(*) FROM stored_entries
    GROUP BY account HAVING min(version) <> 1 OR max(version) <> count(*)
"""

WRONG_SUMS = """
    SELECT account, version, posted, debits, credits, sums.* FROM (
        SELECT account, version, posted, debits, credits,
               sum(CASE WHEN layer = 'POSTED' THEN amount ELSE 0 END) OVER following AS posted_sum,
               sum(CASE WHEN layer = 'PENDING' AND (amount > 0) <> releases THEN amount ELSE 0 END)
                   OVER following AS debits_sum,
               sum(CASE WHEN layer = 'PENDING' AND (amount > 0) = releases THEN -amount ELSE 0 END)
                   OVER following AS credits_sum
        FROM history WINDOW following AS (PARTITION BY account ORDER BY version)
    ) AS sums
    WHERE (posted, debits, credits) IS DISTINCT FROM (posted_sum, debits_sum, credits_sum)
"""

FALLING_TIMES = """
    SELECT account, version FROM (
        SELECT account, version, recorded_us,
               lag(recorded_us) OVER (PARTITION BY account ORDER BY version) AS before
        FROM history
    ) AS times
    WHERE recorded_us < before
"""

WRONG_BALANCES = """
    SELECT account, balance.version, last.version FROM stored_balances AS balance
    FULL JOIN (SELECT DISTINCT ON (account) * FROM history ORDER BY account, version DESC) AS last
        USING (account)
    WHERE (balance.version, balance.posted, balance.debits, balance.credits) IS DISTINCT FROM
          (coalesce(last.version, 0), coalesce(last.posted, 0), coalesce(last.debits, 0),
           coalesce(last.credits, 0))
"""

BOOK_OUT_OF_BALANCE = """
    SELECT split_part(balance.account, '/', 1) AS merchant, currency, sum(posted), sum(debits) - sum(credits)
    FROM stored_balances AS balance JOIN stored_accounts USING (account)
    GROUP BY merchant, currency HAVING sum(posted) <> 0 OR sum(debits) <> sum(credits)
"""

# Within a transaction an account may pass below zero; behind it, it may not stand there.
BELOW_ZERO = """
    SELECT account, version, available FROM history
    WHERE available < 0 AND NOT allow_negative AND next_point IS DISTINCT FROM point
"""

WRONG_CURRENCIES = """
    SELECT entry.account, entry.version FROM stored_entries AS entry
    LEFT JOIN stored_accounts AS account ON account.account = entry.account
        AND account.currency = entry.currency
    WHERE account.account IS NULL
"""

NOT_WHOLE = """
    SELECT stored.id, stored.entry_count, found.entries FROM stored_transactions AS stored
    LEFT JOIN (
        SELECT transaction_id AS id, count(*) AS entries, max(position) AS last_position,
               min(recorded_us) AS first_us, max(recorded_us) AS last_us
        FROM history GROUP BY transaction_id
    ) AS found USING (id)
    WHERE (entries, last_position, first_us, last_us) IS DISTINCT FROM
          (entry_count::bigint, entry_count, recorded_us, recorded_us)
"""

TWICE = """
    SELECT 'reference', reference, count(*) FROM stored_transactions
    WHERE reference <> '' GROUP BY reference HAVING count(*) > 1
    UNION ALL
    SELECT 'resolved', resolves, count(*) FROM stored_transactions
    WHERE resolves <> '' GROUP BY resolves HAVING count(*) > 1
    UNION ALL
    SELECT 'reversed', reverses, count(*) FROM stored_transactions
    WHERE reverses <> '' GROUP BY reverses HAVING count(*) > 1
    UNION ALL
    SELECT 'request', mark::text, count(*) FROM stored_transactions
    WHERE mark <> 0 GROUP BY mark HAVING count(*) > 1
"""

HOLD_NOT_TAKEN_BACK_WHOLE = """
    WITH held AS (
        SELECT hold.id, entry.account, entry.currency, entry.amount FROM stored_transactions AS hold
        JOIN stored_transactions AS resolver ON resolver.resolves = hold.id
        JOIN history AS entry ON entry.transaction_id = hold.id
    ), released AS (
        SELECT resolver.resolves AS id, entry.account, entry.currency, -entry.amount
        FROM stored_transactions AS resolver JOIN history AS entry ON entry.transaction_id = resolver.id
        WHERE resolver.resolves <> '' AND entry.layer = 'PENDING' AND entry.releases
    )
    (TABLE held EXCEPT ALL TABLE released) UNION ALL (TABLE released EXCEPT ALL TABLE held)
"""

WRONG_STATUS = """
    SELECT stored.id, stored.status FROM stored_transactions AS stored
    LEFT JOIN stored_transactions AS resolver ON resolver.resolves = stored.id
    LEFT JOIN (
        SELECT transaction_id AS id, bool_and(layer = 'PENDING' AND NOT releases) AS holds
        FROM history GROUP BY transaction_id
    ) AS kind ON kind.id = stored.id
    WHERE stored.status IS DISTINCT FROM
        CASE WHEN NOT holds THEN 'POSTED' WHEN resolver.id IS NULL THEN 'PENDING' ELSE 'RESOLVED' END
       OR (resolver.id IS NOT NULL AND NOT holds)
"""

INEXACT_REVERSAL = """
    WITH opposite AS (
        SELECT reversal.id, entry.account, entry.currency, -entry.amount
        FROM stored_transactions AS reversal JOIN history AS entry ON entry.transaction_id = reversal.reverses
        WHERE entry.layer = 'POSTED'
    ), made AS (
        SELECT reversal.id, entry.account, entry.currency, entry.amount
        FROM stored_transactions AS reversal JOIN history AS entry ON entry.transaction_id = reversal.id
        WHERE reversal.reverses <> ''
    )
    (TABLE opposite EXCEPT ALL TABLE made) UNION ALL (TABLE made EXCEPT ALL TABLE opposite)
"""

BOOKS: dict[str, LiteralString] = {
    "a transaction does not sum to zero": UNBALANCED,
    "an account's versions are not 1, 2, 3, and so on": GAPS,
    "sums do not follow the amounts": WRONG_SUMS,
    "recorded times fall": FALLING_TIMES,
    "a balance is not its account's last entry": WRONG_BALANCES,
    "a book is out of balance": BOOK_OUT_OF_BALANCE,
    "an account is below zero": BELOW_ZERO,
    "an entry is not in its account's currency": WRONG_CURRENCIES,
    "a transaction is not whole": NOT_WHOLE,
    "something is there twice": TWICE,
    "a hold is not taken back whole": HOLD_NOT_TAKEN_BACK_WHOLE,
    "a status does not fit": WRONG_STATUS,
    "a reversal is not exact": INEXACT_REVERSAL,
}
