"""At scale every statement about deliveries is indexed and touches few blocks, as in test_query_plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from payflow.domain.ids import BUCKETS, bucket_of
from payflow.domain.merchant_webhooks.delivery import KEPT_FOR, Answer, DeliveryState, ids_from
from payflow.domain.merchant_webhooks.state import WebhookEndpoint
from payflow.store.database import read_pool, write_pool
from payflow.store.merchant_webhooks import delivery_cleaner, delivery_queue, merchant_webhooks
from payflow.store.merchant_webhooks.delivery_queue import DeliveryQueue
from payflow.store.merchant_webhooks.merchant_webhooks import MerchantWebhooks
from tests.databases import Database
from tests.noting_pool import Asked, NotingPool, NotingWrites
from tests.plans import Plan, explained

FOREVER = float("inf")
DELIVERIES = 60_000
ENDPOINTS = 101
MERCHANTS = ["busy", *(f"small-{number}" for number in range(ENDPOINTS - 1))]
BATCH = 32
PER_ENDPOINT = 4
PER_MERCHANT = 16
PAGE = 50
START = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AFTER = START + timedelta(days=300)
LEASE = timedelta(minutes=2)

# Blocks of 8 kB, as in test_query_plans: a descent is 3 or 4, a written row goes into every index.
LOOK_UP_MAX = 20
PAGE_MAX = 10 * PAGE
SWEEP_MAX = (BUCKETS + ENDPOINTS) * 4
# Of each endpoint its refusals, what it is being sent, and, of what is due, whether something comes first.
DUE_MAX = ENDPOINTS * (4 + 4 + 12 * PER_ENDPOINT)
WRITES_MAX = 300 + 60 * BATCH
CLEANING_MAX = 20 * delivery_cleaner.BATCH_MAX
ABANDONING_MAX = 60 * delivery_queue.ABANDONED_MAX

# Half of the deliveries are the busy merchant's. One in ten is pending, one failed; all are of few objects.
FILL = (
    """
    INSERT INTO webhook_endpoints
    SELECT merchant_id, 'we', bucket, 'https://shop.example/', '', '{*}', 'ENABLED', NULL, 1, NULL, 1,
           '2026-01-01', '2026-01-01'
    FROM unnest($1::text[], $2::int[]) AS merchant (merchant_id, bucket)
    """,
    """
    INSERT INTO webhook_deliveries
    SELECT merchant_id, 'we', $3 || lpad(n::text, 9, '0'), bucket, 'event-' || n, 'payment_intent.created',
           'pi_' || n / 1000, n % 1000 + 1, '\\x0102030405', at,
           CASE n % 10 WHEN 0 THEN 'FAILED' WHEN 1 THEN 'PENDING' ELSE 'DELIVERED' END, 1, at, '', at, NULL,
           NULL, '', at, CASE n % 10 WHEN 1 THEN NULL ELSE at END
    FROM (
        SELECT n, timestamptz '2026-01-01 00:00:00+00' + n * interval '1 second' AS at,
               merchant.merchant_id, merchant.bucket
        FROM generate_series(1, $4::int) AS n
        JOIN unnest($1::text[], $2::int[]) WITH ORDINALITY AS merchant (merchant_id, bucket, number)
            ON merchant.number = CASE WHEN n / 10 % 2 = 1 THEN 1 ELSE 2 + n / 20 % 100 END
    ) AS made
    """,
    "ANALYZE",
)


@pytest.fixture(scope="module")
def database(new_database: Callable[[], Database]) -> Database:
    """A database with a history of deliveries."""
    made = new_database()
    buckets = [bucket_of(merchant_id) for merchant_id in MERCHANTS]
    shared = (MERCHANTS, buckets)
    with psycopg.connect(made.owner_url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        with psycopg.RawCursor(connection) as cursor:
            for statement, parameters in zip(
                FILL, (shared, (*shared, ids_from(START), DELIVERIES), ()), strict=True
            ):
                cursor.execute(statement.encode(), parameters)
    return made


@pytest.fixture
def reads(database: Database) -> Iterator[NotingPool]:
    with_reads = NotingPool(database.application_url)
    with_reads.open()
    yield with_reads
    with_reads.close()


@pytest.fixture
def writes(database: Database) -> Iterator[NotingWrites]:
    with_writes = NotingWrites(database.application_url)
    with_writes.open()
    yield with_writes
    with_writes.close()


def _assert_indexed(database: Database, session: str, asked: Sequence[Asked], blocks_max: int) -> list[Plan]:
    with psycopg.connect(database.application_url) as connection:
        connection.execute(session.encode())
        plans = [plan for one in asked for plan in explained(connection, one.sql, one.parameters)]
    assert plans
    for plan in plans:
        assert not [one for one in plan.scans if one == ("Seq Scan", "webhook_deliveries")], plan
        assert plan.blocks <= blocks_max, plan
    return plans


def _endpoint(reads: NotingPool, merchant_id: str) -> WebhookEndpoint:
    found = MerchantWebhooks(reads, reads).endpoint(merchant_id, "we", FOREVER)
    assert found is not None
    return found


def test_what_is_due(database: Database, writes: NotingWrites) -> None:
    queue = DeliveryQueue(writes)
    assert queue.take(START, LEASE, PER_ENDPOINT, PER_MERCHANT, BATCH, FOREVER) == []
    taken = queue.take(LONG_AFTER, LEASE, PER_ENDPOINT, PER_MERCHANT, BATCH, FOREVER)
    assert len(taken) == BATCH
    assert len([one for one in taken if one.merchant_id == "busy"]) <= PER_ENDPOINT
    assert {one.sql for one in writes.asked} == {delivery_queue.TAKE}
    _assert_indexed(database, write_pool.SESSION, writes.asked, SWEEP_MAX + DUE_MAX + WRITES_MAX)
    writes.asked.clear()
    first, second, third, *_ = taken
    assert queue.delivered(first, Answer(200), LONG_AFTER, FOREVER)
    assert queue.put_off(second, Answer(500), LONG_AFTER, FOREVER)
    assert queue.failed(third, Answer(410), LONG_AFTER, FOREVER)
    assert queue.refused(third, LONG_AFTER, LONG_AFTER, FOREVER) == LONG_AFTER
    _assert_indexed(database, write_pool.SESSION, writes.asked, LOOK_UP_MAX * 2)


def test_what_is_given_up_with_its_endpoint(database: Database, writes: NotingWrites) -> None:
    waiting = DELIVERIES // 20
    abandoned = DeliveryQueue(writes).abandon("busy", "we", "disabled", LONG_AFTER, FOREVER)
    assert 0 < abandoned == min(waiting, delivery_queue.ABANDONED_MAX)
    _assert_indexed(database, write_pool.SESSION, writes.asked, ABANDONING_MAX)


def test_what_somebody_looks_at_and_asks_for(
    database: Database, reads: NotingPool, writes: NotingWrites
) -> None:
    webhooks = MerchantWebhooks(reads, writes)
    busy = _endpoint(reads, "busy")
    for state in (None, *DeliveryState):
        for before in ("", f"{ids_from(START)}{DELIVERIES:09}"):
            found = webhooks.deliveries(busy, state, before, PAGE, FOREVER)
            assert len(found) == PAGE
            assert state is None or {one.state for one in found} == {state}
    _assert_indexed(database, read_pool.SESSION, reads.asked, PAGE_MAX)
    delivered = webhooks.deliveries(busy, DeliveryState.DELIVERED, "", 1, FOREVER)[0]
    again = webhooks.redeliver(busy, delivered.id, "key", LONG_AFTER, FOREVER)
    assert again is not None and again.state is DeliveryState.PENDING
    assert webhooks.redeliver_failed(busy, START, "key", LONG_AFTER, PAGE, FOREVER) == PAGE
    assert {one.sql for one in writes.asked} == {
        merchant_webhooks.REDELIVER,
        merchant_webhooks.REDELIVER_FAILED,
    }
    _assert_indexed(database, write_pool.SESSION, writes.asked, PAGE_MAX + 60 * PAGE)


def test_what_is_old(database: Database, writes: NotingWrites) -> None:
    assert delivery_cleaner.delete_old(writes, START, FOREVER) == 0
    late = LONG_AFTER + KEPT_FOR
    assert delivery_cleaner.delete_old(writes, late, FOREVER) == delivery_cleaner.BATCH_MAX
    _assert_indexed(database, write_pool.SESSION, writes.asked, BUCKETS * 4 + CLEANING_MAX)
