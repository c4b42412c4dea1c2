"""What has to be true for a refusal to be right. Each query finds refusals without a cause."""

from __future__ import annotations

from typing import LiteralString

UNKNOWN_REASON = """
    SELECT node, kind, reason FROM asks
    WHERE reason NOT IN ('', 'UNBALANCED_TRANSACTION', 'CURRENCY_MISMATCH', 'NOT_FOUND', 'VALIDATION_FAILED',
        'INSUFFICIENT_BALANCE', 'CONCURRENT_UPDATE', 'TRANSACTION_EXISTS', 'INVALID_STATE_TRANSITION',
        'IDEMPOTENCY_KEY_REUSED')
"""

BALANCED = """
    SELECT node FROM asks WHERE reason = 'UNBALANCED_TRANSACTION' AND NOT EXISTS (
        SELECT FROM asked_entries AS asked WHERE asked.node = asks.node
        GROUP BY currency HAVING sum(amount) <> 0)
"""

NO_MISMATCH = """
    SELECT node FROM asks WHERE reason = 'CURRENCY_MISMATCH' AND NOT EXISTS (
        SELECT FROM asked_entries AS asked JOIN stored_accounts AS account USING (account)
        WHERE asked.node = asks.node AND asked.currency <> account.currency)
"""

ALL_THERE = """
    SELECT node FROM asks WHERE reason = 'NOT_FOUND'
    AND NOT EXISTS (
        SELECT FROM asked_entries AS asked LEFT JOIN stored_accounts AS account USING (account)
        WHERE asked.node = asks.node AND account.account IS NULL)
    AND (target = '' OR EXISTS (SELECT FROM stored_transactions WHERE id = target))
"""

# A part is for holds of two entries, and is less than the hold or all of it.
VALID = """
    SELECT node FROM asks WHERE reason = 'VALIDATION_FAILED'
    AND NOT EXISTS (SELECT FROM asked_entries AS asked WHERE asked.node = asks.node AND asked.amount = 0)
    AND NOT (kind = 'settle' AND amount IS NOT NULL AND EXISTS (
        SELECT FROM history AS entry WHERE entry.transaction_id = target
        HAVING count(*) <> 2 OR asks.amount <= 0 OR asks.amount > max(abs(entry.amount))))
"""

# What the transaction would have taken from the account named, from some state that the account was in
# between request and answer, has to leave the figure named, below zero.
SUFFICIENT = """
    WITH refused AS (
        SELECT asks.*, CASE WHEN account.debit_normal THEN 1 ELSE -1 END AS direction
        FROM asks JOIN stored_accounts AS account ON account.account = asks.named
        WHERE reason = 'INSUFFICIENT_BALANCE' AND NOT account.allow_negative
    ), moved AS (
        SELECT node, sum(CASE WHEN kind = 'hold' THEN least(direction * asked.amount, 0)
                              ELSE direction * asked.amount END) AS available
        FROM refused JOIN asked_entries AS asked USING (node)
        WHERE asked.account = refused.named GROUP BY node
        UNION ALL
        SELECT node, sum(-direction * entry.amount)
        FROM refused JOIN history AS entry ON entry.transaction_id = target AND entry.account = refused.named
        WHERE kind = 'reverse' AND entry.layer = 'POSTED' GROUP BY node
    ), states AS (
        SELECT account, available, invoked, next_answered FROM history
        WHERE next_point IS DISTINCT FROM point AND NOT allow_negative
        UNION ALL
        SELECT account.account, 0, '-infinity', coalesce(first.answered, 'infinity')
        FROM stored_accounts AS account
        LEFT JOIN history AS entry ON entry.account = account.account AND entry.version = 1
        LEFT JOIN points AS first ON first.point = entry.point
    )
    SELECT node, reason FROM asks WHERE reason = 'INSUFFICIENT_BALANCE'
    EXCEPT
    SELECT refused.node, reason FROM refused JOIN moved USING (node)
    JOIN states ON states.account = refused.named AND states.available = refused.number - moved.available
    WHERE refused.number < 0 AND states.invoked < refused.answered
        AND coalesce(states.next_answered, 'infinity') > refused.invoked
"""

NOT_MOVED = """
    SELECT node FROM asks WHERE reason = 'CONCURRENT_UPDATE' AND NOT EXISTS (
        SELECT FROM expected_versions AS expected
        WHERE expected.node = asks.node AND expected.account = named AND expected.version <> number)
"""

NO_SUCH_REFERENCE = """
    SELECT node FROM asks WHERE reason = 'TRANSACTION_EXISTS' AND NOT EXISTS (
        SELECT FROM stored_transactions AS stored
        WHERE stored.id = asks.named AND stored.reference = asks.reference AND asks.reference <> '')
"""

# To be resolved, it has to be a hold that nobody has resolved; to be reversed, something posted, and once.
# When it was resolved or reversed, is for the serial order to say.
ALLOWED = """
    SELECT node FROM asks WHERE reason = 'INVALID_STATE_TRANSITION' AND NOT EXISTS (
        SELECT FROM stored_transactions AS stored WHERE stored.id = target AND kind IN ('settle', 'void')
            AND stored.status <> 'PENDING')
    AND NOT EXISTS (
        SELECT FROM stored_transactions AS later WHERE later.reverses = target AND kind = 'reverse')
    AND NOT (kind = 'reverse' AND NOT EXISTS (
        SELECT FROM history AS entry WHERE entry.transaction_id = target AND entry.layer = 'POSTED'))
"""

KEY_NOT_REUSED = """
    SELECT refused.call FROM calls AS refused WHERE reason = 'IDEMPOTENCY_KEY_REUSED' AND NOT EXISTS (
        SELECT FROM calls AS other WHERE other.key = refused.key AND other.asked <> refused.asked
            AND other.reason = '' AND other.invoked < refused.answered)
"""

NO_REASON = "refused for no reason of the contract's"

REFUSALS: dict[str, LiteralString] = {
    NO_REASON: UNKNOWN_REASON,
    "refused as unbalanced, but balanced": BALANCED,
    "refused for a currency that is right": NO_MISMATCH,
    "not found, but there": ALL_THERE,
    "refused as invalid, but valid": VALID,
    "refused for a balance that sufficed": SUFFICIENT,
    "refused for a version that was as expected": NOT_MOVED,
    "refused for a reference that was free": NO_SUCH_REFERENCE,
    "refused in a state that allows it": ALLOWED,
    "refused for a key that was not used before": KEY_NOT_REUSED,
}
