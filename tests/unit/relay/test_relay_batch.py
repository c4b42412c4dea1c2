"""What a batch tells of the log that it went to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from payflow.domain.stored_event import StoredEvent
from payflow.events.published_event import PublishedEvent
from payflow.events.relay.batch import Batch, Suspects
from payflow.events.relay.publisher import Outcome
from payflow.events.relay.publishing_order import PublishingOrder
from payflow.store.relay.parts import Cursor
from payflow.store.relay.reader import Outgoing
from tests.core import START

FIRST = StoredEvent("shop", "pi_1", 1, "payment_intent.created", 1, b"", START, "", "", "", "")


class Emptied:
    """A publisher that finds the log empty at its first event, and where it left it from then on."""

    def __init__(self) -> None:
        self._end = 0

    def publish(self, events: Iterable[PublishedEvent], goes_on: Callable[[], bool]) -> Outcome:
        """Delivers everything."""
        taken = [True for _ in events]
        is_first = bool(taken) and self._end == 0
        self._end += len(taken)
        return Outcome(taken, lost_its_log=is_first, ends={0: self._end})

    def ends(self) -> Sequence[int]:
        """Of one partition."""
        return [self._end]

    def close(self) -> None:
        """Nothing is on its way."""


def test_what_was_seen_of_the_log_is_told_whatever_was_sent_after_it() -> None:
    events = [replace(FIRST, aggregate_version=version) for version in (1, 2, 3)]
    outgoing = [Outgoing(0, one, Cursor(False, 7, "shop", "pi_1", one.aggregate_version)) for one in events]
    suspects = Suspects()
    suspects.refused(events[1], alone=False)
    outcome = Batch(outgoing, {}, PublishingOrder(), suspects).publish(Emptied(), lambda: True)
    assert outcome.lost_its_log
    assert outcome.ends == {0: 3}
