"""Re-checks what is stored against itself, a slice at a time, each slice as of one instant.

A slice is a page of a primary key, so its cost does not grow with the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from payflow.store.database.read_pool import ReadPool

# Each entry continues the one before it: its version by one, its sums by what it moved. The slice begins with
# the last entry of the slice before, which only stands for what comes behind it.
ENTRIES = """
    WITH slice AS (
        SELECT merchant_id, account_id, account_version, posted_after, pending_debits_after,
               pending_credits_after,
               CASE layer WHEN 'POSTED' THEN amount ELSE 0 END AS posted_moved,
               CASE WHEN layer = 'PENDING' AND (amount > 0) <> releases THEN amount ELSE 0 END
                   AS debits_moved,
               CASE WHEN layer = 'PENDING' AND (amount > 0) = releases THEN -amount ELSE 0 END
                   AS credits_moved,
               recorded_at
        FROM entries
        WHERE (merchant_id, account_id, account_version) >= (%s, %s, %s)
        ORDER BY merchant_id, account_id, account_version
        LIMIT %s
    ), continued AS (
        SELECT *, lag(account_version) OVER account AS version_before,
               coalesce(lag(posted_after) OVER account, 0) AS posted_before,
               coalesce(lag(pending_debits_after) OVER account, 0) AS debits_before,
               coalesce(lag(pending_credits_after) OVER account, 0) AS credits_before,
               lag(recorded_at) OVER account AS recorded_before
        FROM slice
        WINDOW account AS (PARTITION BY merchant_id, account_id ORDER BY account_version)
    )
    SELECT merchant_id, account_id, account_version,
           abs(posted_after - posted_before - posted_moved)
           + abs(pending_debits_after - debits_before - debits_moved)
           + abs(pending_credits_after - credits_before - credits_moved) AS difference,
           (merchant_id, account_id, account_version) = (%s, %s, %s)
           OR account_version = coalesce(version_before, 0) + 1
              AND posted_after = posted_before + posted_moved
              AND pending_debits_after = debits_before + debits_moved
              AND pending_credits_after = credits_before + credits_moved
              AND recorded_at >= coalesce(recorded_before, recorded_at) AS is_right
    FROM continued
    ORDER BY merchant_id, account_id, account_version
"""

# A balance is what its last entry says.
BALANCES = """
    SELECT balance.merchant_id, balance.account_id,
           abs(balance.posted - coalesce(entry.posted_after, 0))
           + abs(balance.pending_debits - coalesce(entry.pending_debits_after, 0))
           + abs(balance.pending_credits - coalesce(entry.pending_credits_after, 0)) AS difference,
           balance.version = coalesce(entry.account_version, 0)
           AND balance.posted = coalesce(entry.posted_after, 0)
           AND balance.pending_debits = coalesce(entry.pending_debits_after, 0)
           AND balance.pending_credits = coalesce(entry.pending_credits_after, 0) AS is_right
    FROM balances AS balance
    LEFT JOIN LATERAL (
        SELECT account_version, posted_after, pending_debits_after, pending_credits_after
        FROM entries
        WHERE merchant_id = balance.merchant_id AND account_id = balance.account_id
        ORDER BY account_version DESC
        LIMIT 1
    ) AS entry ON true
    WHERE (balance.merchant_id, balance.account_id) > (%s, %s)
    ORDER BY balance.merchant_id, balance.account_id
    LIMIT %s
"""

# All entries of a transaction are there, and sum to zero for each currency and layer.
TRANSACTIONS = """
    SELECT one.merchant_id, one.id, coalesce(max(abs(sums.moved)), 0) AS difference,
           coalesce(sum(sums.entries), 0) = one.entry_count
           AND coalesce(max(abs(sums.moved)), 0) = 0 AS is_right
    FROM (
        SELECT merchant_id, id, entry_count
        FROM transactions
        WHERE (merchant_id, id) > (%s, %s)
        ORDER BY merchant_id, id
        LIMIT %s
    ) AS one
    LEFT JOIN LATERAL (
        SELECT count(*) AS entries, sum(amount) AS moved
        FROM entries
        WHERE merchant_id = one.merchant_id AND transaction_id = one.id
        GROUP BY currency, layer
    ) AS sums ON true
    GROUP BY one.merchant_id, one.id, one.entry_count
    ORDER BY one.merchant_id, one.id
"""

# What an intent says was held, taken and given back is what its transactions moved at its PSP's clearing
# account; and its version is that of its last event.
INTENTS = """
    SELECT intent.merchant_id, intent.id,
           abs(intent.captured_amount - coalesce(captured.moved, 0)) AS captured_difference,
           abs(intent.refunded_amount + coalesce(refunded.moved, 0)) AS refunded_difference,
           intent.version = last.version AS is_last,
           intent.hold_transaction_id = '' OR held.status = 'PENDING' AS is_held
    FROM (
        SELECT merchant_id, id, version, status, currency, psp_account_id, captured_amount, refunded_amount,
               hold_transaction_id, capture_transaction_id,
               'sys:psp_clearing:' || psp_account_id || ':' || currency AS clearing
        FROM payment_intents
        WHERE (merchant_id, id) > (%s, %s)
        ORDER BY merchant_id, id
        LIMIT %s
    ) AS intent
    LEFT JOIN LATERAL (
        SELECT aggregate_version AS version
        FROM events
        WHERE merchant_id = intent.merchant_id AND aggregate_id = intent.id
        ORDER BY aggregate_version DESC
        LIMIT 1
    ) AS last ON true
    LEFT JOIN transactions AS held
        ON held.merchant_id = intent.merchant_id AND held.id = intent.hold_transaction_id
    LEFT JOIN transactions AS reversal
        ON reversal.merchant_id = intent.merchant_id
        AND reversal.reverses_transaction_id = intent.capture_transaction_id
    LEFT JOIN LATERAL (
        SELECT sum(amount) AS moved
        FROM entries
        WHERE merchant_id = intent.merchant_id AND account_id = intent.clearing AND layer = 'POSTED'
          AND transaction_id IN (intent.capture_transaction_id, reversal.id)
    ) AS captured ON true
    LEFT JOIN LATERAL (
        SELECT sum(entry.amount) AS moved
        FROM refunds AS refund
        JOIN entries AS entry
            ON entry.merchant_id = refund.merchant_id AND entry.transaction_id = refund.refund_transaction_id
        WHERE refund.merchant_id = intent.merchant_id AND refund.payment_intent_id = intent.id
          AND refund.status = 'REFUNDED' AND entry.account_id = intent.clearing AND entry.layer = 'POSTED'
    ) AS refunded ON true
    ORDER BY intent.merchant_id, intent.id
"""


class Subject(StrEnum):
    """What is re-checked."""

    ENTRIES = "entries"
    BALANCES = "balances"
    TRANSACTIONS = "transactions"
    INTENTS = "intents"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that is not what others say. ``difference`` is in minor units, 0 where no amount is wrong."""

    subject: Subject
    merchant_id: str
    key: str
    what: str
    difference: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """What was looked at: so many rows, up to the key ``last``; empty behind the last one."""

    rows: int
    last: tuple[Any, ...]
    findings: Sequence[Finding]


Read = Callable[[tuple[Any, ...], int, float], Slice]
"""Looks at the next rows behind a key, which is empty at the beginning, at most so many, until a deadline."""


class AuditReader:
    """Each method looks at the rows behind a key. Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def reads(self) -> dict[Subject, Read]:
        """How to look at each subject but the events."""
        return {
            Subject.ENTRIES: self._entries,
            Subject.BALANCES: self._balances,
            Subject.TRANSACTIONS: self._transactions,
            Subject.INTENTS: self._intents,
        }

    def _entries(self, after: tuple[Any, ...], limit: int, deadline: float) -> Slice:
        start = after or ("", "", 0)
        found = self._pool.all(ENTRIES, (*start, limit + bool(after), *start), deadline)
        wrong = [
            Finding(
                Subject.ENTRIES,
                row["merchant_id"],
                f"{row['account_id']} {row['account_version']}",
                "does not continue the entry before it",
                int(row["difference"]),
            )
            for row in found
            if not row["is_right"]
        ]
        return _slice(found, ("merchant_id", "account_id", "account_version"), limit + bool(after), wrong)

    def _balances(self, after: tuple[Any, ...], limit: int, deadline: float) -> Slice:
        found = self._pool.all(BALANCES, (*(after or ("", "")), limit), deadline)
        wrong = [
            Finding(
                Subject.BALANCES,
                row["merchant_id"],
                row["account_id"],
                "is not what its last entry says",
                int(row["difference"]),
            )
            for row in found
            if not row["is_right"]
        ]
        return _slice(found, ("merchant_id", "account_id"), limit, wrong)

    def _transactions(self, after: tuple[Any, ...], limit: int, deadline: float) -> Slice:
        found = self._pool.all(TRANSACTIONS, (*(after or ("", "")), limit), deadline)
        wrong = [
            Finding(
                Subject.TRANSACTIONS,
                row["merchant_id"],
                row["id"],
                "lacks entries or does not balance",
                int(row["difference"]),
            )
            for row in found
            if not row["is_right"]
        ]
        return _slice(found, ("merchant_id", "id"), limit, wrong)

    def _intents(self, after: tuple[Any, ...], limit: int, deadline: float) -> Slice:
        found = self._pool.all(INTENTS, (*(after or ("", "")), limit), deadline)
        wrong = [one for row in found for one in _wrong_of_intent(row)]
        return _slice(found, ("merchant_id", "id"), limit, wrong)


def _wrong_of_intent(row: dict[str, Any]) -> list[Finding]:
    told = {
        "captured_amount is not what the ledger took": int(row["captured_difference"]),
        "refunded_amount is not what the ledger gave back": int(row["refunded_difference"]),
    }
    states = {
        "its version is not that of its last event": row["is_last"],
        "its hold is not pending in the ledger": row["is_held"],
    }
    wrong = [(what, difference) for what, difference in told.items() if difference]
    wrong += [(what, 0) for what, is_right in states.items() if not is_right]
    merchant_id, key = row["merchant_id"], row["id"]
    return [Finding(Subject.INTENTS, merchant_id, key, what, difference) for what, difference in wrong]


def _slice(found: list[dict[str, Any]], key: Sequence[str], limit: int, wrong: list[Finding]) -> Slice:
    last = tuple(found[-1][column] for column in key) if len(found) == limit else ()
    return Slice(len(found), last, wrong)
