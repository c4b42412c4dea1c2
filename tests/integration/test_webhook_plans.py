"""At scale every statement about webhooks is indexed and touches few blocks, as in test_query_plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from payflow.domain.endpoint import Endpoint
from payflow.domain.ids import BUCKETS, bucket_of
from payflow.domain.webhook import Receipt, ReceivedEvent, Settlement, WebhookFilter, WebhookState
from payflow.store.database import read_pool, write_pool
from payflow.store.merchant_webhooks import webhook_endpoints
from payflow.store.merchant_webhooks.webhook_endpoints import WebhookEndpoints
from payflow.store.webhooks import cleaner as webhook_cleaner
from payflow.store.webhooks import inbox as webhook_inbox
from payflow.store.webhooks import queue as webhook_queue
from payflow.store.webhooks.cleaner import delete_old
from payflow.store.webhooks.inbox import WebhookInbox
from payflow.store.webhooks.queue import WebhookQueue
from tests.databases import Database
from tests.noting_pool import Asked, NotingPool, NotingWrites
from tests.plans import Plan, explained

FOREVER = float("inf")
EVENTS = 60_000
MERCHANTS = ["busy", *(f"small-{number}" for number in range(100))]
BATCH = 64
PAGE = 50
START = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AFTER = START + timedelta(days=300)

# Blocks of 8 kB, as in test_query_plans: a descent is 3 or 4, a written row goes into every index.
LOOK_UP_MAX = 20
ENDPOINTS_MAX = 21 * 5
PAGE_MAX = 10 * PAGE
SWEEP_MAX = BUCKETS * 4
WRITES_MAX = 300 + 60 * BATCH
CLEANING_MAX = 20 * webhook_cleaner.BATCH_MAX

# Half of the events are the busy merchant's. One in a hundred is parked, one pending; every tenth of these is
# of one payment, whose first was begun by somebody.
FILL = (
    """
    INSERT INTO webhook_inbox
    SELECT merchant_id, 'acme', '', 'event-' || n, 'wh_' || lpad(n::text, 9, '0'), bucket,
           'pi_' || CASE WHEN n % 1000 = 1 THEN 1 ELSE n / 3 END, 'acme-main', 'pi_' || n / 3 || '-1',
           '\\x0102030405', at, 0, 'correlation', '',
           CASE n % 100 WHEN 0 THEN 'PARKED' WHEN 1 THEN 'PENDING' ELSE 'APPLIED' END, 1,
           CASE n WHEN 1 THEN at + interval '365 days' ELSE at END, false, '',
           CASE n % 100 WHEN 1 THEN NULL ELSE at END
    FROM (
        SELECT n, timestamptz '2026-01-01 00:00:00+00' + n * interval '1 second' AS at,
               merchant.merchant_id, merchant.bucket
        FROM generate_series(1, $1::int) AS n
        JOIN unnest($2::text[], $3::int[]) WITH ORDINALITY AS merchant (merchant_id, bucket, number)
            ON merchant.number = CASE WHEN n % 2 = 1 THEN 1 ELSE 2 + n / 2 % 100 END
    ) AS made
    """,
    """
    INSERT INTO psp_accounts
    SELECT 'merchant-' || n, 'shared', 'acme', 'TEST', 300, 0, 'REF' || n % 30, 100, true, 1, now(), now()
    FROM generate_series(1, $1::int) AS n
    """,
    "ANALYZE",
)


@dataclass(frozen=True, slots=True)
class Pools:
    """What the stores ask, and where the plans of it are looked at."""

    url: str
    reads: NotingPool
    writes: NotingWrites

    def plans(self) -> list[Plan]:
        """The plans of everything that was asked so far."""
        return [
            *_plans(self.url, read_pool.SESSION, self.reads.asked),
            *_plans(self.url, write_pool.SESSION, self.writes.asked),
        ]


@pytest.fixture(scope="module")
def database(new_database: Callable[[], Database]) -> Database:
    """A database with a history of webhooks."""
    made = new_database()
    buckets = [bucket_of(merchant_id) for merchant_id in MERCHANTS]
    with psycopg.connect(made.owner_url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        with psycopg.RawCursor(connection) as cursor:
            for statement, parameters in zip(
                FILL, ((EVENTS, MERCHANTS, buckets), (EVENTS,), ()), strict=True
            ):
                cursor.execute(statement.encode(), parameters)
    return made


@pytest.fixture
def pools(database: Database) -> Iterator[Pools]:
    url = database.application_url
    made = Pools(url, NotingPool(url), NotingWrites(url))
    for pool in (made.reads, made.writes):
        pool.open()
    yield made
    for pool in (made.reads, made.writes):
        pool.close()


def _plans(url: str, session: str, asked: Sequence[Asked]) -> list[Plan]:
    with psycopg.connect(url) as connection:
        connection.execute(session.encode())
        return [plan for one in asked for plan in explained(connection, one.sql, one.parameters)]


def _assert_indexed(plans: Sequence[Plan], blocks_max: int) -> None:
    assert plans
    for plan in plans:
        assert not [one for one in plan.scans if one[0] == "Seq Scan"], plan
        assert plan.blocks <= blocks_max, plan


def test_the_endpoints_of_an_account_id(pools: Pools) -> None:
    endpoints = WebhookEndpoints(pools.reads)
    assert len(endpoints.of("shared", "", 21, FOREVER)) == 21
    assert len(endpoints.of("shared", "merchant-7", 21, FOREVER)) == 1
    assert {one.sql for one in pools.reads.asked} == {
        webhook_endpoints.ENDPOINTS,
        webhook_endpoints.ENDPOINT_OF_MERCHANT,
    }
    _assert_indexed(pools.plans(), ENDPOINTS_MAX)


def test_a_delivery(database: Database, pools: Pools) -> None:
    events = [
        ReceivedEvent(f"wh_new{number}", "busy", f"pi_{number}", f"new-{number}", "", b"\xff\x00", number)
        for number in range(BATCH)
    ]
    receipt = Receipt(Endpoint("acme", ""), "acme-main", LONG_AFTER, "correlation", "")
    inbox = WebhookInbox(pools.reads, pools.writes)
    assert len(inbox.add(receipt, events, FOREVER)) == BATCH
    assert {one.sql for one in pools.writes.asked} == {webhook_inbox.ADD}
    _assert_indexed(pools.plans(), BATCH * 5)  # all of them repetitions
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM webhook_inbox WHERE event_id LIKE 'new-%'")
    _assert_indexed(pools.plans(), WRITES_MAX)


def test_what_operators_look_at(pools: Pools) -> None:
    inbox = WebhookInbox(pools.reads, pools.writes)
    parked = f"wh_{EVENTS // 2:09}"
    owner = MERCHANTS[1 + EVENTS // 4 % 100]
    assert inbox.find(owner, parked, FOREVER) is not None
    assert inbox.retry(owner, parked, LONG_AFTER, FOREVER) is not None
    _assert_indexed(pools.plans(), LOOK_UP_MAX)
    pools.reads.asked.clear()
    for state in (WebhookState.PARKED, WebhookState.PENDING):
        for before in ("", f"wh_{EVENTS:09}"):
            assert len(inbox.page(WebhookFilter(state=state), before, PAGE, FOREVER)) == PAGE
    for wanted in (WebhookFilter("busy"), WebhookFilter("busy", WebhookState.APPLIED, "acme-main")):
        assert len(inbox.page(wanted, "", PAGE, FOREVER)) == PAGE
    _assert_indexed(pools.plans(), SWEEP_MAX + PAGE_MAX)


def test_what_is_due(pools: Pools) -> None:
    queue = WebhookQueue(pools.writes)
    assert queue.take(START, timedelta(minutes=1), BATCH, FOREVER) == []
    taken = queue.take(LONG_AFTER, timedelta(minutes=1), BATCH, FOREVER)
    assert len(taken) == BATCH
    assert all(one.intent_id != "pi_1" for one in taken)
    assert queue.settle(taken[0], Settlement(WebhookState.APPLIED), LONG_AFTER, FOREVER)
    assert queue.oldest_received_at(FOREVER) == START + timedelta(seconds=1)
    assert {one.sql for one in pools.writes.asked} == {
        webhook_queue.TAKE,
        webhook_queue.SETTLE,
        webhook_queue.OLDEST,
    }
    _assert_indexed(pools.plans(), SWEEP_MAX + WRITES_MAX)


def test_what_is_old(pools: Pools) -> None:
    assert delete_old(pools.writes, START, FOREVER) == 0
    assert delete_old(pools.writes, LONG_AFTER, FOREVER) == webhook_cleaner.BATCH_MAX
    _assert_indexed(pools.plans(), SWEEP_MAX + CLEANING_MAX)
