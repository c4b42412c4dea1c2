"""Daily totals, as they are and as an independent query over payments, refunds and ledger finds them."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg.rows import class_row

from payflow.domain.analytics.daily_totals import MEASURES
from payflow.domain.stored_event import StoredEvent
from payflow.events.cloud_event import to_published
from payflow.events.consumer import Consumer, ConsumerLimits
from payflow.events.consumer.source import Source
from payflow.events.consumers.daily_totals import CONSUMER, add_up
from payflow.events.published_event import PublishedEvent
from tests.databases import Database
from tests.effects import drain

# In the order in which the relay publishes.
EVENTS = """
    SELECT merchant_id, aggregate_id, aggregate_version, type, schema_version, payload, occurred_at, actor,
           correlation_id, causation_id, traceparent
    FROM events
    ORDER BY xid, merchant_id, aggregate_id, aggregate_version
"""

KEPT = """
    SELECT merchant_id, day::text, currency, psp_account_id, measure, value::bigint
    FROM analytics_daily_totals AS item
    CROSS JOIN LATERAL jsonb_each_text(
        to_jsonb(item) - '{merchant_id,day,currency,psp_account_id}'::text[]) AS each (measure, value)
    WHERE value <> '0'
"""

# What happened, when and to how much; `thing` names the measures, and a fee only some have.
EXPECTED = """
    WITH posted AS (
        SELECT merchant_id, transaction_id, sum(amount) AS amount
        FROM entries
        WHERE layer = 'POSTED' AND amount > 0
        GROUP BY merchant_id, transaction_id
    ), happened AS (
        SELECT merchant_id, created_at AS at, currency, '' AS psp_account_id, 'created' AS thing, amount,
               0 AS fee
        FROM payment_intents
      UNION ALL
        SELECT merchant_id, authorized_at, currency, psp_account_id, 'authorized', authorized_amount, 0
        FROM payment_intents WHERE authorized_at IS NOT NULL
      UNION ALL
        SELECT merchant_id, captured_at, currency, psp_account_id, 'captured', posted.amount, fee_amount
        FROM payment_intents
        JOIN posted USING (merchant_id)
        WHERE posted.transaction_id = capture_transaction_id
      UNION ALL
        SELECT intent.merchant_id, reversal.recorded_at, currency, psp_account_id, 'reversed_captures',
               posted.amount, fee_amount
        FROM payment_intents AS intent
        JOIN transactions AS reversal ON reversal.merchant_id = intent.merchant_id
            AND reversal.reverses_transaction_id = intent.capture_transaction_id
        JOIN posted ON posted.merchant_id = reversal.merchant_id AND posted.transaction_id = reversal.id
      UNION ALL
        SELECT merchant_id, canceled_at, currency, psp_account_id, 'canceled', amount, 0
        FROM payment_intents WHERE canceled_at IS NOT NULL
      UNION ALL
        SELECT intent.merchant_id, occurred_at, currency, psp_account_id, 'failed', amount, 0
        FROM payment_intents AS intent
        JOIN events ON events.merchant_id = intent.merchant_id AND aggregate_id = intent.id
        WHERE type = 'payment_intent.failed'
      UNION ALL
        SELECT attempt.merchant_id, finished_at, currency, psp_account_id, 'failed_over', amount, 0
        FROM psp_attempts AS attempt
        JOIN events ON events.merchant_id = attempt.merchant_id AND aggregate_id = payment_intent_id
            AND occurred_at = finished_at
        WHERE type = 'payment_intent.failed_over' AND operation = 'AUTHORIZE'
      UNION ALL
        SELECT refund.merchant_id, refunded_at, refund.currency, psp_account_id, 'refunded', refund.amount, 0
        FROM refunds AS refund
        JOIN payment_intents AS intent
            ON intent.merchant_id = refund.merchant_id AND intent.id = payment_intent_id
        WHERE refunded_at IS NOT NULL
      UNION ALL
        SELECT refund.merchant_id, reversal.recorded_at, refund.currency, psp_account_id, 'reversed_refunds',
               refund.amount, 0
        FROM refunds AS refund
        JOIN payment_intents AS intent
            ON intent.merchant_id = refund.merchant_id AND intent.id = payment_intent_id
        JOIN transactions AS reversal ON reversal.merchant_id = refund.merchant_id
            AND reversal.reverses_transaction_id = refund.refund_transaction_id
        WHERE refunded_at IS NOT NULL
    )
    SELECT merchant_id, (at AT TIME ZONE 'UTC')::date::text, currency, psp_account_id, measure,
           sum(value)::bigint
    FROM happened
    CROSS JOIN LATERAL (
        VALUES (thing || '_count', 1), (thing || '_amount', amount),
               (CASE thing WHEN 'captured' THEN 'fee_amount' ELSE 'reversed_fee_amount' END, fee)
    ) AS measured (measure, value)
    GROUP BY 1, 2, 3, 4, 5
    HAVING sum(value) <> 0
"""

Measures = dict[tuple[str, ...], int]


def published(url: str) -> list[PublishedEvent]:
    """Every event of a database, as it is published."""
    with psycopg.connect(url, row_factory=class_row(StoredEvent)) as connection:
        return [to_published(stored) for stored in connection.execute(EVENTS)]


def consume(database: Database, source: Source, batch_max: int = 500) -> None:
    """Adds up all that the source has."""
    limits = ConsumerLimits(batch_max=batch_max, wait_s=0)
    consumer = Consumer(CONSUMER, source, add_up, database.application_url, limits=limits)
    drain(consumer)
    consumer.close()


def kept(url: str) -> Measures:
    """What the read model holds, without zeros."""
    return _measures(url, KEPT)


def expected(url: str) -> Measures:
    """What payments, refunds and ledger say."""
    return _measures(url, EXPECTED)


def unseen(found: Iterable[tuple[str, ...]]) -> set[str]:
    """Measures that are zero everywhere."""
    return set(MEASURES) - {measure for *_, measure in found}


def _measures(url: str, query: str) -> Measures:
    with psycopg.connect(url) as connection:
        return {tuple(key): value for *key, value in connection.execute(query.encode())}
