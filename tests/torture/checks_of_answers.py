"""What has to be true of acknowledged transactions and of reads. Each query finds what is wrong."""

from __future__ import annotations

from typing import LiteralString

LOST = """
    SELECT node, transaction_id FROM acknowledged
    LEFT JOIN stored_transactions AS stored ON stored.id = transaction_id WHERE stored.id IS NULL
"""

NEVER_ACKNOWLEDGED = """
    SELECT id FROM stored_transactions
    LEFT JOIN acknowledged ON transaction_id = id WHERE transaction_id IS NULL
"""

OTHER_TRANSACTION = """
    SELECT node, transaction_id FROM acknowledged AS seen
    JOIN stored_transactions AS stored ON stored.id = seen.transaction_id
    WHERE (seen.mark, seen.reference, seen.resolves, seen.reverses, seen.recorded_us) IS DISTINCT FROM
          (stored.mark, stored.reference, stored.resolves, stored.reverses, stored.recorded_us)
       OR seen.status <> CASE stored.status WHEN 'RESOLVED' THEN 'PENDING' ELSE stored.status END
"""

OTHER_ENTRIES = """
    SELECT seen.* FROM seen_entries AS seen
    LEFT JOIN history AS stored ON (stored.account, stored.version) = (seen.account, seen.version)
        AND (stored.transaction_id, stored.position, stored.layer, stored.amount, stored.currency,
             stored.releases, stored.posted, stored.debits, stored.credits, stored.available,
             stored.recorded_us) = (
             seen.transaction_id, seen.position, seen.layer, seen.amount, seen.currency, seen.releases,
             seen.posted, seen.debits, seen.credits, seen.available, seen.recorded_us)
    WHERE stored.account IS NULL OR seen.layer_sum IS DISTINCT FROM
        CASE seen.layer WHEN 'POSTED' THEN seen.posted ELSE seen.debits - seen.credits END
"""

MISSING_ENTRIES = """
    SELECT node, transaction_id, entry_count FROM (
        SELECT node, transaction_id FROM acknowledged
        UNION ALL SELECT node, transaction_id FROM seen_transactions
    ) AS whole
    JOIN stored_transactions AS stored ON stored.id = whole.transaction_id
    LEFT JOIN (SELECT node, count(*) AS entries FROM seen_entries GROUP BY node) AS seen USING (node)
    WHERE entries IS DISTINCT FROM entry_count
"""

# What resolves or reverses was asked for by its target; what posts or holds by its entries.
NOT_AS_ASKED = """
    SELECT node, kind FROM asks JOIN acknowledged AS seen USING (node)
    WHERE (asks.mark, asks.reference) IS DISTINCT FROM (seen.mark, seen.reference)
       OR seen.resolves <> CASE WHEN kind IN ('settle', 'void') THEN target ELSE '' END
       OR seen.reverses <> CASE WHEN kind = 'reverse' THEN target ELSE '' END
       OR seen.status <> CASE WHEN kind = 'hold' THEN 'PENDING' ELSE 'POSTED' END
"""

ENTRIES_NOT_AS_ASKED = """
    SELECT node, position FROM (
        SELECT node, position, account, entry.amount, currency,
               CASE kind WHEN 'hold' THEN 'PENDING' ELSE 'POSTED' END AS layer
        FROM asked_entries AS entry JOIN asks USING (node) JOIN acknowledged USING (node)
    ) AS asked
    FULL JOIN (
        SELECT seen.* FROM seen_entries AS seen JOIN asks USING (node) WHERE kind IN ('post', 'hold')
    ) AS seen USING (node, position)
    WHERE (asked.account, asked.amount, asked.currency, asked.layer) IS DISTINCT FROM
          (seen.account, seen.amount, seen.currency, seen.layer)
"""

# Nothing when it is voided, all of it when it is posted, or as much as was asked for.
HOLD_NOT_POSTED_AS_ASKED = """
    WITH wanted AS (
        SELECT node, entry.account,
               CASE WHEN asks.amount IS NULL THEN entry.amount ELSE asks.amount * sign(entry.amount) END
        FROM asks JOIN acknowledged USING (node) JOIN history AS entry ON entry.transaction_id = asks.target
        WHERE kind = 'settle'
    ), made AS (
        SELECT node, seen.account, seen.amount FROM asks JOIN seen_entries AS seen USING (node)
        WHERE kind IN ('settle', 'void') AND seen.layer = 'POSTED'
    )
    (TABLE wanted EXCEPT ALL TABLE made) UNION ALL (TABLE made EXCEPT ALL TABLE wanted)
"""

KEY_ANSWERED_TWICE = """
    SELECT key, count(DISTINCT asked), count(DISTINCT answer) FROM calls WHERE reason = ''
    GROUP BY key HAVING count(DISTINCT (asked, answer)) > 1
"""

VERSION_NOT_AS_EXPECTED = """
    SELECT node, account, expected.version, min(seen.version)
    FROM expected_versions AS expected JOIN seen_entries AS seen USING (node, account)
    GROUP BY node, account, expected.version HAVING min(seen.version) <> expected.version + 1
"""

READ_REFUSED = "SELECT node, rpc, reason FROM reads WHERE reason <> ''"

# As of an instant: what was recorded by then, or less while that was still being committed.
WRONG_BALANCE = """
    SELECT seen.* FROM seen_balances AS seen
    LEFT JOIN history AS stored USING (account, version)
    JOIN stored_accounts AS account USING (account)
    WHERE (seen.posted, seen.debits, seen.credits, seen.available, seen.currency) IS DISTINCT FROM
          (coalesce(stored.posted, 0), coalesce(stored.debits, 0), coalesce(stored.credits, 0),
           coalesce(stored.available, 0), account.currency)
       OR (stored.account IS NULL AND seen.version <> 0)
       OR seen.stated_us <> coalesce(seen.as_of_us, stored.recorded_us, 0)
       OR stored.recorded_us > seen.as_of_us
"""

PAGE_WITH_GAPS = """
    SELECT node FROM seen_heads JOIN seen_entries AS seen USING (node)
    GROUP BY node, seen_heads.version, seen_heads.account
    HAVING max(seen.version) - min(seen.version) + 1 <> count(*) OR max(seen.version) <> seen_heads.version
        OR bool_or(seen.account <> seen_heads.account)
"""

WRONG_TOTALS = """
    SELECT * FROM seen_totals WHERE difference <> 0 OR debits <> credits OR debits < 0
"""

ANSWERS: dict[str, LiteralString] = {
    "acknowledged, but not there": LOST,
    "there, but never acknowledged": NEVER_ACKNOWLEDGED,
    "another transaction than acknowledged": OTHER_TRANSACTION,
    "other entries than answered": OTHER_ENTRIES,
    "entries missing from an answer": MISSING_ENTRIES,
    "another transaction than asked for": NOT_AS_ASKED,
    "other entries than asked for": ENTRIES_NOT_AS_ASKED,
    "a hold posted otherwise than asked for": HOLD_NOT_POSTED_AS_ASKED,
    "one key, two answers": KEY_ANSWERED_TWICE,
    "posted at another version than expected": VERSION_NOT_AS_EXPECTED,
    "a read was refused": READ_REFUSED,
    "a balance that was not": WRONG_BALANCE,
    "a page with gaps": PAGE_WITH_GAPS,
    "a trial balance that differs": WRONG_TOTALS,
}
