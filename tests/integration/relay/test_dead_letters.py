"""What cannot be published holds up its own aggregate and nothing else, until somebody has it tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg
import pytest
import redis

from payflow.domain.dead_letter import DeadLetterState, LetterKey
from payflow.events.published_event import PublishedEvent
from payflow.events.relay import metrics
from payflow.events.relay.batch import TRIES_MAX
from payflow.events.relay.publisher import Outcome, Publisher
from payflow.events.relay.retries import RELAY
from tests.dead_letters import ask_for_retry, connected
from tests.relays import PAYLOAD, Stand, first_occurrences, in_stream

NO_MESSAGE = b"\xff"
STATES = """
    SELECT aggregate_id, aggregate_version, state, tries, error FROM dead_letters
    WHERE consumer = 'relay' ORDER BY aggregate_id, aggregate_version
"""


class Watchful:
    """Says so at the first event behind a stream that has been emptied, as Kafka's publisher does."""

    def __init__(self, inner: Publisher, emptied: list[bool]) -> None:
        self._inner = inner
        self._emptied = emptied

    def publish(self, events: Iterable[PublishedEvent], goes_on: Callable[[], bool]) -> Outcome:
        """Publishes."""
        outcome = self._inner.publish(events, goes_on)
        outcome.lost_its_log = bool(outcome.delivered and self._emptied and self._emptied.pop())
        return outcome

    def ends(self) -> Sequence[int]:
        """The other one's."""
        return self._inner.ends()

    def close(self) -> None:
        """Closes the other one."""
        self._inner.close()


class Choosy:
    """Refuses events whose ids it is told, as brokers do: what is sent with one is refused with it."""

    def __init__(self, inner: Publisher, refused: set[str]) -> None:
        self._inner = inner
        self._refused = refused

    def publish(self, events: Iterable[PublishedEvent], goes_on: Callable[[], bool]) -> Outcome:
        """Publishes, or refuses all of them."""
        taken = list(events)
        if self._refused.isdisjoint(event.id for event in taken):
            return self._inner.publish(taken, goes_on)
        refused = dict.fromkeys(range(len(taken)), "the message is too large")
        return Outcome([False] * len(taken), refused, failure="gap-less ordering would not be guaranteed")

    def ends(self) -> Sequence[int]:
        """The other one's."""
        return self._inner.ends()

    def close(self) -> None:
        """Closes the other one."""
        self._inner.close()


def _states(stand: Stand) -> list[tuple[Any, ...]]:
    return [row[:3] for row in stand.as_owner(STATES)]


def _retry(stand: Stand, aggregate_id: str, version: int) -> None:
    with connected(stand.database.application_url) as connection:
        ask_for_retry(connection, LetterKey("shop", RELAY, aggregate_id, version))


def test_an_event_that_makes_no_sense_is_parked_and_others_flow(stream: tuple[Stand, redis.Redis]) -> None:
    stand, client = stream
    relay = stand.relay()
    stand.write("pi_1", 1)
    stand.write("pi_1", 2, payload=NO_MESSAGE)
    stand.write("pi_1", 3)
    stand.write("pi_2", 1)
    stand.write("pi_3", 1, kind="dispute.opened")
    stand.drain(relay)
    stand.write("pi_1", 4)
    stand.write("pi_2", 2)
    stand.drain(relay)
    assert first_occurrences(in_stream(client, stand.topic)) == {"pi_1": [1], "pi_2": [1, 2]}
    assert _states(stand) == [
        ("pi_1", 2, DeadLetterState.PARKED),
        ("pi_1", 3, DeadLetterState.WAITING),
        ("pi_1", 4, DeadLetterState.WAITING),
        ("pi_3", 1, DeadLetterState.PARKED),
    ]


def test_what_is_tried_again_comes_before_what_waits_behind_it(stream: tuple[Stand, redis.Redis]) -> None:
    stand, client = stream
    relay = stand.relay()
    stand.write("pi_1", 1, payload=NO_MESSAGE)
    stand.write("pi_1", 2, 3)
    stand.drain(relay)
    _retry(stand, "pi_1", 1)
    stand.drain(relay)
    assert _states(stand) == [
        ("pi_1", 1, DeadLetterState.PARKED),
        ("pi_1", 2, DeadLetterState.WAITING),
        ("pi_1", 3, DeadLetterState.WAITING),
    ]
    [(_, _, _, tries, error), *_] = stand.as_owner(STATES)
    assert (tries, "payload" in error) == (2, True)
    with psycopg.connect(stand.database.owner_url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE events SET payload = %s", (PAYLOAD,))
    _retry(stand, "pi_1", 1)
    stand.write("pi_1", 4)
    stand.drain(relay)
    stand.write("pi_1", 5)
    stand.drain(relay)
    assert _states(stand) == []
    published = in_stream(client, stand.topic)
    assert first_occurrences(published) == {"pi_1": [1, 2, 3, 4, 5]}
    assert len(published) == 5


def test_what_is_refused_is_tried_alone_before_it_is_given_up(stream: tuple[Stand, redis.Redis]) -> None:
    stand, client = stream
    refused = {"pi_1:2"}
    relay = stand.relay(lambda: Choosy(stand.open_publisher(), refused))
    stand.write("pi_1", 1, 2, 3)
    stand.write("pi_2", 1)
    for _ in range(TRIES_MAX + 2):
        stand.drain(relay)
    assert first_occurrences(in_stream(client, stand.topic)) == {"pi_1": [1], "pi_2": [1]}
    assert _states(stand) == [("pi_1", 2, DeadLetterState.PARKED), ("pi_1", 3, DeadLetterState.WAITING)]
    [(*_, tries, error), _] = stand.as_owner(STATES)
    assert (tries, error) == (TRIES_MAX, "the message is too large")
    refused.clear()
    _retry(stand, "pi_1", 2)
    stand.drain(relay)
    assert _states(stand) == []
    assert first_occurrences(in_stream(client, stand.topic)) == {"pi_1": [1, 2, 3], "pi_2": [1]}


def test_no_event_is_published_without_the_one_before_it(
    stream: tuple[Stand, redis.Redis], caplog: pytest.LogCaptureFixture
) -> None:
    """That cannot happen unless somebody writes behind the back of the application."""
    stand, client = stream
    before = metrics.DISORDER._value.get()
    relay = stand.relay()
    stand.write("pi_1", 1)
    stand.drain(relay)
    stand.write("pi_1", 3, 4)
    stand.write("pi_2", 1)
    stand.drain(relay)
    assert first_occurrences(in_stream(client, stand.topic)) == {"pi_1": [1], "pi_2": [1]}
    assert _states(stand) == [("pi_1", 3, DeadLetterState.PARKED), ("pi_1", 4, DeadLetterState.WAITING)]
    assert metrics.DISORDER._value.get() == before + 1
    assert "the event before it in its aggregate is not published" in caplog.text


def test_what_was_published_before_is_published_again_in_front_of_what_is_parked(
    stream: tuple[Stand, redis.Redis],
) -> None:
    stand, client = stream
    relay = stand.relay()
    stand.write("pi_1", 1, 2)
    stand.write("pi_1", 3, payload=NO_MESSAGE)
    stand.drain(relay)
    client.delete(stand.topic)
    stand.drain(relay)
    assert first_occurrences(in_stream(client, stand.topic)) == {"pi_1": [1, 2]}
    assert _states(stand) == [("pi_1", 3, DeadLetterState.PARKED)]


def test_what_is_refused_when_it_is_published_again_comes_before_what_is_parked(
    stream: tuple[Stand, redis.Redis],
) -> None:
    """As when the broker takes smaller messages than the one that lost its log."""
    stand, client = stream
    refused: set[str] = set()
    relay = stand.relay(lambda: Choosy(stand.open_publisher(), refused))
    stand.write("pi_1", 1, 2)
    stand.write("pi_1", 3, payload=NO_MESSAGE)
    stand.write("pi_2", 1)
    stand.drain(relay)
    client.delete(stand.topic)
    refused.add("pi_1:2")
    for _ in range(2 * TRIES_MAX):
        stand.drain(relay)
    assert first_occurrences(in_stream(client, stand.topic)) == {"pi_1": [1], "pi_2": [1]}
    assert _states(stand) == [
        ("pi_1", 2, DeadLetterState.PARKED),
        ("pi_1", 3, DeadLetterState.WAITING),
    ]


def test_a_log_that_a_retry_finds_to_be_another_one_gets_everything_again(
    stream: tuple[Stand, redis.Redis],
) -> None:
    stand, client = stream
    emptied: list[bool] = []
    relay = stand.relay(lambda: Watchful(stand.open_publisher(), emptied))
    stand.write("pi_1", 1, payload=NO_MESSAGE)
    stand.write("pi_2", 1, 2)
    stand.drain(relay)
    stand.as_owner("ALTER TABLE events DISABLE TRIGGER events_append_only")
    stand.as_owner("UPDATE events SET payload = %s WHERE payload = %s", (PAYLOAD, NO_MESSAGE))
    _retry(stand, "pi_1", 1)
    emptied.append(True)
    stand.drain(relay)
    published = in_stream(client, stand.topic)
    assert [event.id for event in published].count("pi_2:1") == 2
    assert first_occurrences(published) == {"pi_1": [1], "pi_2": [1, 2]}
