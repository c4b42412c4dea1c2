"""Events in a Redis stream: bounded, and published again when the stream is gone."""

from __future__ import annotations

from typing import Any

import redis

from payflow.events.relay.redis_publisher import RedisPublisher
from tests.relays import Stand, first_occurrences, in_stream

ENTRIES_MAX = 1_000


def test_a_stream_that_is_gone_gets_everything_again(stream: tuple[Stand, redis.Redis]) -> None:
    stand, client = stream
    relay = stand.relay()
    stand.write("pi_1", 1, 2, 3)
    stand.drain(relay)
    client.delete(stand.topic)
    stand.write("pi_1", 4)
    stand.drain(relay)
    assert first_occurrences(in_stream(client, stand.topic)) == {"pi_1": [1, 2, 3, 4]}


def test_a_stream_that_loses_its_end_gets_everything_again(stream: tuple[Stand, redis.Redis]) -> None:
    """As a replica does that had not got everything when it took over, however short the time before."""
    stand, client = stream
    relay = stand.relay()
    stand.write("pi_1", 1)
    stand.drain(relay)
    behind: Any = client.dump(stand.topic)
    stand.write("pi_1", 2)
    relay.work()
    assert first_occurrences(in_stream(client, stand.topic)) == {"pi_1": [1, 2]}
    client.restore(stand.topic, 0, behind, replace=True)
    stand.drain(relay)
    assert first_occurrences(in_stream(client, stand.topic)) == {"pi_1": [1, 2]}


def test_an_entry_has_the_headers_and_the_value(stream: tuple[Stand, redis.Redis]) -> None:
    stand, client = stream
    stand.write("pi_1", 1)
    stand.drain(stand.relay())
    [event] = in_stream(client, stand.topic)
    assert (event.id, event.type, event.actor) == ("pi_1:1", "payment_intent.created", "test")
    assert b'"amount":1000' in event.data


def test_a_stream_keeps_about_as_many_entries_as_it_may(
    stream: tuple[Stand, redis.Redis], valkey_url: str
) -> None:
    stand, client = stream
    relay = stand.relay(lambda: RedisPublisher(valkey_url, stand.topic, ENTRIES_MAX))
    stand.write("pi_1", *range(1, 3 * ENTRIES_MAX + 1))
    stand.drain(relay)
    published = in_stream(client, stand.topic)
    assert ENTRIES_MAX <= len(published) < 2 * ENTRIES_MAX
    assert published[-1].aggregate_version == 3 * ENTRIES_MAX
    # What was trimmed is not lost: nothing is published again.
    stand.drain(relay)
    assert len(in_stream(client, stand.topic)) == len(published)
