"""What the relay reads: everything that is committed, nothing too early, each aggregate in its order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
import redis

from payflow.domain.ids import bucket_of
from payflow.events.relay import metrics
from payflow.events.relay.progress import Progress
from payflow.store.relay.lag import RelayLag
from payflow.v1 import events_pb2
from tests.relays import Stand, first_occurrences, in_stream, numbered
from tests.turned_clock import TurnedClock

FOREVER = float("inf")
OTHERS = 200

LARGE = events_pb2.PaymentIntentCreated(payment_method="x" * 900_000).SerializeToString()
SYSTEM_IDENTIFIER = "UPDATE relay_parts SET system_identifier = 42"
AS_RESTORED = """
    UPDATE events SET xid = (xid::text::bigint + 1000000000)::text::xid8
"""


def test_events_are_published_once_each_and_in_their_order(stream: tuple[Stand, redis.Redis]) -> None:
    stand, client = stream
    relay = stand.relay()
    stand.write("pi_1", 1, 2)
    stand.write("pi_2", 1)
    stand.write("pi_1", 3)
    stand.drain(relay)
    stand.write("pi_2", 2)
    stand.drain(relay)
    published = in_stream(client, stand.topic)
    assert first_occurrences(published) == {"pi_1": [1, 2, 3], "pi_2": [1, 2]}
    assert len(published) == 5
    assert {event.merchant_id for event in published} == {"shop"}


def test_a_transaction_that_commits_late_is_not_skipped(stream: tuple[Stand, redis.Redis]) -> None:
    stand, client = stream
    relay = stand.relay()
    stand.drain(relay)
    with stand.writer("late") as late, stand.writer() as others:
        late.write("pi_late", 1)
        for number in range(OTHERS):
            others.write(f"pi_{number}", 1)
            others.commit()
        stand.drain(relay)
        assert in_stream(client, stand.topic) == []
        late.commit()
    stand.drain(relay)
    published = numbered(in_stream(client, stand.topic))
    assert len(published) == OTHERS + 1
    assert set(published) == {("pi_late", 1), *((f"pi_{number}", 1) for number in range(OTHERS))}


def test_events_that_only_their_merchants_set_apart_are_all_published(
    stream: tuple[Stand, redis.Redis],
) -> None:
    stand, client = stream
    relay = stand.relay(events_max=1)
    stand.drain(relay)
    bucket = bucket_of("shop")
    merchants = [name for number in range(2_000) if bucket_of(name := f"shop-{number}") == bucket][:3]
    with stand.writer() as writer:
        for merchant_id in merchants:
            replace(writer, merchant_id=merchant_id).write("account:cash", 1)
        writer.commit()
    stand.drain(relay)
    published = in_stream(client, stand.topic)
    assert sorted(event.merchant_id for event in published) == sorted(merchants)


def test_what_is_rolled_back_is_never_published(stream: tuple[Stand, redis.Redis]) -> None:
    stand, client = stream
    relay = stand.relay()
    with stand.writer() as writer:
        writer.write("pi_1", 1)
        writer.connection.rollback()
    stand.write("pi_2", 1)
    stand.drain(relay)
    assert numbered(in_stream(client, stand.topic)) == [("pi_2", 1)]


def test_an_open_transaction_shows_as_lag_and_as_what_holds_back(stream: tuple[Stand, redis.Redis]) -> None:
    stand, _ = stream
    relay, clock = stand.relay(), TurnedClock()
    stand.drain(relay)
    [pool] = stand.pools
    progress, lag = Progress(pool, clock), RelayLag(pool)
    with stand.writer("late") as late:
        late.write("pi_late", 1)
        stand.write("pi_1", 1)
        clock.forward(days=1)
        stand.drain(relay)
        progress.measure()
        progress.measure()
        assert lag.count(FOREVER) == 1
        assert metrics.LAG_EVENTS._value.get() == 1
        assert metrics.LAG_S._value.get() > timedelta(hours=23).total_seconds()
        assert metrics.HELD_BACK_S._value.get() > 0
    stand.drain(relay)
    progress.measure()
    assert metrics.LAG_EVENTS._value.get() == 0
    assert metrics.LAG_S._value.get() == 0


@pytest.mark.parametrize("from_beginning", [False, True])
def test_a_backlog_of_any_shape_is_published_in_order(
    stream: tuple[Stand, redis.Redis], from_beginning: bool
) -> None:
    """Several pages of several parts, large events among them."""
    stand, client = stream
    stand.drain(stand.relay())
    stand.let_leases_end()
    expected = {}
    for merchant in (f"merchant-{number}" for number in range(3)):
        with stand.writer(merchant) as writer:
            for aggregate in range(3):
                versions = range(1, 2 + 300 * aggregate)
                expected[f"{merchant}-{aggregate}"] = list(versions)
                writer.write(f"{merchant}-{aggregate}", *versions)
    stand.write("large", 1, 2, 3, 4, 5, payload=LARGE)
    expected["large"] = [1, 2, 3, 4, 5]
    if from_beginning:
        stand.as_owner("UPDATE relay_parts SET system_identifier = 0")
    stand.drain(stand.relay())
    published = in_stream(client, stand.topic)
    assert first_occurrences(published) == expected
    assert len(published) == sum(map(len, expected.values()))


@pytest.mark.parametrize("restored", [False, True])
def test_in_another_cluster_everything_is_published_again(
    stream: tuple[Stand, redis.Redis], restored: bool
) -> None:
    """A cluster counts its transactions by itself: what a dump brought along says nothing in another one."""
    stand, client = stream
    first = stand.relay()
    for merchant in ("a", "b", "c"):
        stand.write(f"pi_{merchant}", 1, 2, merchant_id=merchant)
    stand.drain(first)
    first.close()
    stand.as_owner(SYSTEM_IDENTIFIER)
    if restored:
        with psycopg.connect(stand.database.owner_url) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(AS_RESTORED)
    stand.write("pi_a", 3, merchant_id="a")
    second = stand.relay()
    stand.drain(second)
    stand.write("pi_b", 3, merchant_id="b")
    stand.drain(second)
    again = in_stream(client, stand.topic)[6:]
    assert first_occurrences(again) == {"pi_a": [1, 2, 3], "pi_b": [1, 2, 3], "pi_c": [1, 2]}
    assert len(again) == 8
