"""At scale the relay's statements go through indexes, and what is behind the cursors costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest

from payflow.domain.ids import BUCKETS, bucket_of
from payflow.store.relay import parts as relay_parts
from payflow.store.relay import pool as relay_pool
from payflow.store.relay import reader as relay_reader
from payflow.store.relay.lag import RelayLag
from payflow.store.relay.parts import PARTS, Cursor, Part, RelayParts
from payflow.store.relay.reader import RelayReader
from tests.databases import Database
from tests.noting_pool import NotingWrites
from tests.plans import Plan, explained

FOREVER = float("inf")
EVENTS = 40_000
BUSY = "busy"
MERCHANTS = [BUSY, *(f"small-{number}" for number in range(100))]
PAGE = 50
BYTES_MAX = 1_000_000
# Blocks of 8 kB. A descent of the index of events is 3; a row is one more.
IDLE_MAX = 4 * BUCKETS
READ_MAX = IDLE_MAX + 3 * PARTS * PAGE
# All merchants are looked through where their events are published from the beginning, but few events.
BEGINNING_MAX = 20 + 3 * PAGE
PARTS_MAX = 20 * PARTS
LAG_MAX = IDLE_MAX + 2 * EVENTS


FILL_MERCHANTS = """
    INSERT INTO merchants
    SELECT merchant_id, bucket, slot, '', 'TEST', 1, now(), now()
    FROM unnest($1::text[], $2::int[], $3::int[]) AS merchant (merchant_id, bucket, slot)
"""

FILL = """
    INSERT INTO events
    SELECT merchant_id, 'pi_' || lpad((n / 2)::text, 9, '0'), 1 + n % 2, bucket, 'payment_intent.created', 1,
           '\\x0102030405060708', timestamptz '2026-01-01 00:00:00+00', 'caller', 'correlation',
           'command-' || n, 0, '', (3 + n / 100)::text::xid8
    FROM generate_series(0, $1::int - 1) AS n
    JOIN unnest($2::text[], $3::int[]) WITH ORDINALITY AS merchant (merchant_id, bucket, number)
        ON merchant.number = CASE WHEN n % 4 < 2 THEN 1 ELSE 2 + n / 4 % 100 END
"""


@pytest.fixture(scope="module")
def database(new_database: Callable[[], Database]) -> Database:
    """A database with a history of events, a hundred of a transaction, half of them the busy merchant's."""
    made = new_database()
    buckets = [bucket_of(merchant_id) for merchant_id in MERCHANTS]
    slots = list(range(len(MERCHANTS)))
    with psycopg.connect(made.owner_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        with psycopg.RawCursor(connection) as cursor:
            cursor.execute(FILL.encode(), (EVENTS, MERCHANTS, buckets))
            cursor.execute(FILL_MERCHANTS.encode(), (MERCHANTS, buckets, slots))
        connection.execute("VACUUM ANALYZE events")
    return made


@pytest.fixture
def pool(database: Database) -> Iterator[NotingWrites]:
    noting = NotingWrites(database.application_url, relay_pool.SESSION)
    noting.open()
    yield noting
    noting.close()


def _parts(xid: int) -> list[Part]:
    return [Part(number, 1, Cursor(False, xid, "", "", 0)) for number in range(PARTS)]


def _plans(database: Database, pool: NotingWrites) -> list[Plan]:
    with psycopg.connect(database.application_url) as connection:
        connection.execute(relay_pool.SESSION)
        return [plan for one in pool.asked for plan in explained(connection, one.sql, one.parameters)]


def _assert_indexed(plans: list[Plan], blocks_max: int) -> None:
    assert plans
    for plan in plans:
        assert {kind for kind, relation in plan.scans if relation == "events"} <= {
            "Index Scan",
            "Index Only Scan",
        }, plan
        assert plan.blocks <= blocks_max, plan


def test_reading_costs_what_is_read_wherever_the_cursors_are(database: Database, pool: NotingWrites) -> None:
    reader = RelayReader(pool, PAGE, BYTES_MAX)
    for xid in (0, EVENTS // 200):
        found = reader.next(_parts(xid), FOREVER)
        assert PAGE * PARTS // 2 < len(found) <= PAGE * PARTS
        assert len({one.part for one in found}) > PARTS // 2
    assert {one.sql for one in pool.asked} == {relay_reader.NEXT}
    _assert_indexed(_plans(database, pool), READ_MAX)


def test_reading_nothing_behind_everything_is_cheap(database: Database, pool: NotingWrites) -> None:
    assert RelayReader(pool, PAGE, BYTES_MAX).next(_parts(2**40), FOREVER) == []
    _assert_indexed(_plans(database, pool), IDLE_MAX)


def test_reading_from_the_beginning_reads_a_page_of_one_part(database: Database, pool: NotingWrites) -> None:
    reader = RelayReader(pool, PAGE, BYTES_MAX)
    number = relay_parts.part_of(BUSY)
    part = Part(number, 1, Cursor(True, 0, "", "", 0))
    page, cursor = reader.from_beginning(part, FOREVER)
    later = Part(number, 1, Cursor(True, 0, BUSY, f"pi_{EVENTS // 2 - 100:09}", 0))
    pages = [page, reader.from_beginning(later, FOREVER)[0]]
    assert [len(one) for one in pages] == [PAGE, PAGE]
    assert cursor == page[-1].cursor
    assert {one.sql for one in pool.asked} == {relay_reader.MERCHANTS, relay_reader.OF_MERCHANT}
    _assert_indexed(_plans(database, pool), BEGINNING_MAX)


def test_leases_and_cursors_touch_their_own_small_tables(database: Database, pool: NotingWrites) -> None:
    parts = RelayParts(pool, "relay", timedelta(seconds=5))
    taken = parts.take(parts.keep((), FOREVER).free, FOREVER)
    assert parts.keep(taken, FOREVER).held == {part.number: part.fence for part in taken}
    assert len(taken) == PARTS
    with pool.transaction(FOREVER) as connection:
        assert parts.advance(connection, taken) == set(range(PARTS))
    parts.release(taken, FOREVER)
    _assert_indexed([plan for plan in _plans(database, pool) if "events" not in plan.statement], PARTS_MAX)


def test_lag_is_counted_through_the_index(database: Database, pool: NotingWrites) -> None:
    lag = RelayLag(pool)
    assert lag.oldest(FOREVER) is not None
    assert lag.count(FOREVER) == EVENTS
    _assert_indexed(_plans(database, pool), LAG_MAX)
