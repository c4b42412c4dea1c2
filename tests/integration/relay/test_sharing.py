"""Several relays share the parts, take over from each other, and never move each other's cursors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import redis

from payflow.events.published_event import PublishedEvent
from payflow.events.relay.publisher import Outcome, Publisher
from payflow.store.relay.parts import PARTS
from tests.relays import Stand, first_occurrences, in_stream

# As if the connection were lost behind what takes the parts.
LOSE_TOUCH = """
    CREATE FUNCTION lose_touch() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the connection is lost' USING ERRCODE = '08006';
    END
    $$;
    CREATE TRIGGER lose_touch BEFORE UPDATE ON relay_parts
        FOR EACH ROW WHEN (NEW.from_beginning AND NOT OLD.from_beginning) EXECUTE FUNCTION lose_touch()
"""


class Pausing:
    """A publisher that does something else when everything is delivered, before it says so."""

    def __init__(self, inner: Publisher, pause: Callable[[], None]) -> None:
        self._inner = inner
        self._pause = pause

    def publish(self, events: Iterable[PublishedEvent], goes_on: Callable[[], bool]) -> Outcome:
        """Publishes, then pauses."""
        outcome = self._inner.publish(events, goes_on)
        if outcome.delivered:
            self._pause()
        return outcome

    def ends(self) -> Sequence[int]:
        """The other one's."""
        return self._inner.ends()

    def close(self) -> None:
        """Closes the other one."""
        self._inner.close()


def _shares(stand: Stand) -> list[int]:
    return sorted(Counter(stand.owners()).values())


def test_parts_are_shared_evenly_by_those_who_come_and_go(stream: tuple[Stand, redis.Redis]) -> None:
    stand, _ = stream
    relays = [stand.relay() for _ in range(3)]
    stand.drain(relays[0])
    assert _shares(stand) == [PARTS]
    stand.drain(*relays)
    stand.drain(*relays)
    assert "" not in stand.owners()
    assert _shares(stand) == [5, 5, 6]
    relays[0].close()
    stand.drain(*relays[1:])
    assert "" not in stand.owners()
    assert _shares(stand) == [8, 8]


def test_another_relay_takes_over_when_the_leases_have_ended(stream: tuple[Stand, redis.Redis]) -> None:
    stand, client = stream
    dead, heir = stand.relay(), stand.relay()
    stand.write("pi_1", 1)
    stand.drain(dead)
    stand.write("pi_1", 2)
    stand.drain(heir)
    assert first_occurrences(in_stream(client, stand.topic)) == {"pi_1": [1]}
    stand.let_leases_end()
    stand.drain(heir)
    assert _shares(stand) == [PARTS]
    assert first_occurrences(in_stream(client, stand.topic)) == {"pi_1": [1, 2]}
    assert len(in_stream(client, stand.topic)) == 2


def test_who_was_paused_while_others_went_on_moves_nothing_back(stream: tuple[Stand, redis.Redis]) -> None:
    stand, client = stream
    heir = stand.relay()

    pauses: list[bool] = []

    def others_go_on() -> None:
        if pauses and pauses.pop():
            stand.let_leases_end()
            stand.write("pi_1", 2)
            stand.drain(heir)

    paused = stand.relay(lambda: Pausing(stand.open_publisher(), others_go_on))
    stand.drain(paused)
    stand.write("pi_1", 1)
    pauses.append(True)
    stand.drain(paused)
    assert not pauses
    cursors = stand.as_owner("SELECT number, xid::text, aggregate_version FROM relay_parts ORDER BY number")
    assert max(cursor[2] for cursor in cursors) == 2
    published = in_stream(client, stand.topic)
    assert first_occurrences(published) == {"pi_1": [1, 2]}
    stand.write("pi_1", 3)
    stand.drain(heir, paused)
    assert first_occurrences(in_stream(client, stand.topic)) == {"pi_1": [1, 2, 3]}
    # Once by each of the two, and no more.
    assert Counter(event.aggregate_version for event in in_stream(client, stand.topic)) == {1: 2, 2: 1, 3: 1}


def test_who_holds_nothing_publishes_nothing(stream: tuple[Stand, redis.Redis]) -> None:
    stand, client = stream
    relays = [stand.relay() for _ in range(PARTS + 1)]
    stand.drain(*relays)
    assert _shares(stand) == [1] * PARTS
    stand.write("pi_1", 1)
    stand.drain(*relays)
    assert len(in_stream(client, stand.topic)) == 1


def test_parts_that_were_taken_unawares_are_taken_again(stream: tuple[Stand, redis.Redis]) -> None:
    stand, client = stream
    relay = stand.relay()
    stand.write("pi_1", 1)
    stand.as_owner(LOSE_TOUCH)
    stand.drain(relay)
    assert _shares(stand) == [PARTS]
    stand.as_owner("DROP TRIGGER lose_touch ON relay_parts")
    stand.let_leases_end()
    stand.drain(relay)
    assert first_occurrences(in_stream(client, stand.topic)) == {"pi_1": [1]}
