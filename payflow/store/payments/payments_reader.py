"""Reads payment intents, refunds and their events."""

from __future__ import annotations

from payflow.domain.intent.state import PaymentIntent, Refund
from payflow.domain.intent.status import IntentStatus
from payflow.domain.resources import PaymentIntentView, RefundView
from payflow.domain.stored_event import StoredEvent
from payflow.store import rows
from payflow.store.database.columns import columns_of
from payflow.store.database.read_pool import ReadPool

_INTENTS = f"""
    SELECT {columns_of(PaymentIntent, "intent")}, texts.body, texts.metadata
    FROM payment_intents AS intent
    LEFT JOIN texts ON texts.merchant_id = intent.merchant_id AND texts.owner_id = intent.id
"""
_REFUNDS = f"""
    SELECT {columns_of(Refund, "refund")}, texts.body, texts.metadata
    FROM refunds AS refund
    LEFT JOIN texts ON texts.merchant_id = refund.merchant_id AND texts.owner_id = refund.id
"""

INTENT = f"""
    {_INTENTS}
    WHERE intent.merchant_id = %s AND intent.id = %s
"""

# Ids are time-ordered, so the newest page is a walk back along the primary key.
INTENTS = f"""
    {_INTENTS}
    WHERE intent.merchant_id = %s AND intent.id < %s
    ORDER BY intent.id DESC
    LIMIT %s
"""

INTENTS_BY_STATUS = f"""
    {_INTENTS}
    WHERE intent.merchant_id = %s AND intent.status = %s AND intent.id < %s
    ORDER BY intent.id DESC
    LIMIT %s
"""

EVENTS = """
    SELECT merchant_id, aggregate_id, aggregate_version, type, schema_version, payload, occurred_at, actor,
           correlation_id, causation_id, traceparent
    FROM events
    WHERE merchant_id = %s AND aggregate_id = %s AND aggregate_version > %s
    ORDER BY aggregate_version
    LIMIT %s
"""

REFUND = f"""
    {_REFUNDS}
    WHERE refund.merchant_id = %s AND refund.id = %s
"""

REFUNDS = f"""
    {_REFUNDS}
    WHERE refund.merchant_id = %s AND refund.id < %s
    ORDER BY refund.id DESC
    LIMIT %s
"""

REFUNDS_OF_INTENT = f"""
    {_REFUNDS}
    WHERE refund.merchant_id = %s AND refund.payment_intent_id = %s AND refund.id < %s
    ORDER BY refund.id DESC
    LIMIT %s
"""

# Behind every id: ids are lower-case ASCII.
NEWEST = "\x7f"


class PaymentsReader:
    """What callers see of payments. Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def payment_intent(self, merchant_id: str, intent_id: str, deadline: float) -> PaymentIntentView | None:
        """One intent."""
        row = self._pool.one(INTENT, (merchant_id, intent_id), deadline)
        return _intent_view(row) if row else None

    def payment_intents(
        self, merchant_id: str, status: IntentStatus | None, before: str, limit: int, deadline: float
    ) -> list[PaymentIntentView]:
        """Intents older than the one with id ``before`` (empty: from the newest), newest first."""
        position = before or NEWEST
        if status is None:
            found = self._pool.all(INTENTS, (merchant_id, position, limit), deadline)
        else:
            found = self._pool.all(INTENTS_BY_STATUS, (merchant_id, status, position, limit), deadline)
        return [_intent_view(row) for row in found]

    def events(
        self, merchant_id: str, aggregate_id: str, after_version: int, limit: int, deadline: float
    ) -> list[StoredEvent]:
        """Events of one aggregate, oldest first."""
        found = self._pool.all(EVENTS, (merchant_id, aggregate_id, after_version, limit), deadline)
        return [StoredEvent(**row) for row in found]

    def refund(self, merchant_id: str, refund_id: str, deadline: float) -> RefundView | None:
        """One refund."""
        row = self._pool.one(REFUND, (merchant_id, refund_id), deadline)
        return _refund_view(row) if row else None

    def refunds(
        self, merchant_id: str, intent_id: str, before: str, limit: int, deadline: float
    ) -> list[RefundView]:
        """Refunds of a merchant, or of one intent when it is given, newest first."""
        position = before or NEWEST
        if intent_id:
            found = self._pool.all(REFUNDS_OF_INTENT, (merchant_id, intent_id, position, limit), deadline)
        else:
            found = self._pool.all(REFUNDS, (merchant_id, position, limit), deadline)
        return [_refund_view(row) for row in found]


def _intent_view(row: rows.Row) -> PaymentIntentView:
    return PaymentIntentView(rows.payment_intent(row), rows.texts_of(row))


def _refund_view(row: rows.Row) -> RefundView:
    return RefundView(rows.refund(row), rows.texts_of(row))
