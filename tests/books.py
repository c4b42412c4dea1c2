"""The invariants of the books, checked from outside by plain SQL that shares nothing with PayFlow."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.simulators import Simulator

UNBALANCED = """
    SELECT merchant_id, transaction_id, currency, layer, sum(amount) FROM entries
    GROUP BY merchant_id, transaction_id, currency, layer HAVING sum(amount) <> 0
"""

WRONG_BALANCES = """
    SELECT b.merchant_id, b.account_id FROM balances b LEFT JOIN (
        SELECT merchant_id, account_id, count(*) AS version, max(account_version) AS last_version,
               coalesce(sum(amount) FILTER (WHERE layer = 'POSTED'), 0) AS posted,
               coalesce(sum(amount) FILTER
                   (WHERE layer = 'PENDING' AND (amount > 0) <> releases), 0) AS debits,
               coalesce(-sum(amount) FILTER
                   (WHERE layer = 'PENDING' AND (amount > 0) = releases), 0) AS credits
        FROM entries GROUP BY merchant_id, account_id
    ) e USING (merchant_id, account_id)
    WHERE (b.posted, b.pending_debits, b.pending_credits, b.version, b.version)
        IS DISTINCT FROM (coalesce(e.posted, 0), coalesce(e.debits, 0), coalesce(e.credits, 0),
                          coalesce(e.version, 0), coalesce(e.last_version, 0))
"""

WRONG_TRIAL_BALANCE = """
    SELECT merchant_id, currency FROM balances GROUP BY merchant_id, currency
    HAVING sum(posted) <> 0 OR sum(pending_debits) <> sum(pending_credits)
"""

WRONG_REFUNDS = """
    SELECT i.merchant_id, i.id FROM payment_intents i LEFT JOIN (
        SELECT merchant_id, payment_intent_id AS id,
               coalesce(sum(amount) FILTER (WHERE status = 'REFUNDED'), 0) AS refunded,
               coalesce(sum(amount) FILTER (WHERE status = 'PENDING'), 0) AS pending
        FROM refunds GROUP BY merchant_id, payment_intent_id
    ) r USING (merchant_id, id)
    WHERE i.refunded_amount <> coalesce(r.refunded, 0) OR i.refund_pending_amount <> coalesce(r.pending, 0)
       OR i.refunded_amount + i.refund_pending_amount > i.captured_amount
"""

EVENT_GAPS = """
    SELECT merchant_id, aggregate_id FROM events GROUP BY merchant_id, aggregate_id
    HAVING count(*) <> max(aggregate_version) OR min(aggregate_version) <> 1
"""

MOVED = """
    SELECT coalesce(sum(captured_amount), 0)::bigint AS captured,
           coalesce(sum(refunded_amount), 0)::bigint AS refunded,
           coalesce(sum(authorized_amount) FILTER (WHERE status = 'AUTHORIZED'), 0)::bigint AS authorized
    FROM payment_intents
"""

CLEARING = """
    SELECT coalesce(sum(posted), 0)::bigint AS posted FROM balances WHERE account_id LIKE 'sys:psp_clearing:%'
"""

CHECKS = (UNBALANCED, WRONG_BALANCES, WRONG_TRIAL_BALANCE, WRONG_REFUNDS, EVENT_GAPS)


def assert_books_right(url: str) -> None:
    """Every invariant that can be read from the database alone."""
    with psycopg.connect(url) as connection:
        for check in CHECKS:
            assert connection.execute(check).fetchall() == [], check


def open_attempts(url: str) -> int:
    """PSP calls whose outcome is still to come."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM psp_attempts WHERE state IN ('RUNNING', 'UNKNOWN', 'PARKED')"
        ).fetchone()
    assert row is not None
    return int(row[0])


def assert_psp_agrees(url: str, simulator: Simulator) -> None:
    """With nothing open: what moved at the PSP, each at most once, is what intents and ledger say."""
    assert open_attempts(url) == 0
    effects = simulator.effects()
    assert all(effect["execution"] == 1 for effect in effects), "an operation was executed twice"
    with psycopg.connect(url, row_factory=dict_row) as connection:
        moved = connection.execute(MOVED).fetchone()
        clearing = connection.execute(CLEARING).fetchone()
    assert moved is not None and clearing is not None
    taken = _sum(effects, "capture", "sale")
    assert taken == moved["captured"]
    assert _sum(effects, "refund") == moved["refunded"]
    assert taken - _sum(effects, "refund") == clearing["posted"]


def _sum(effects: list[dict[str, Any]], *operations: str) -> int:
    return sum(effect["amount"] for effect in effects if effect["operation"] in operations)
