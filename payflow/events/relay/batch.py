"""A batch of events on its way to the topic: what is delivered, what is given up, what waits behind that."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from payflow.domain.dead_letter import GivenUp, Letter
from payflow.domain.folding.working_set import MerchantScoped
from payflow.domain.stored_event import StoredEvent
from payflow.events.cloud_event import UnpublishableError, to_published, with_data
from payflow.events.letters import letter_of
from payflow.events.published_event import PublishedEvent
from payflow.events.relay import metrics
from payflow.events.relay.publisher import Outcome, Publisher
from payflow.events.relay.publishing_order import PublishingOrder
from payflow.store.relay.parts import Cursor
from payflow.store.relay.reader import Outgoing

log = logging.getLogger(__name__)

# How often an event is refused, sent alone, before it is given up.
TRIES_MAX = 3
SUSPECTS_MAX = 10_000

Key = tuple[str, str, int]


class Fate(Enum):
    """What became of an event; one that is only ON_ITS_WAY is read again."""

    ON_ITS_WAY = auto()
    DELIVERED = auto()
    GIVEN_UP = auto()
    WAITS = auto()


@dataclass(slots=True)
class Item:
    """An event of the batch."""

    outgoing: Outgoing
    fate: Fate = Fate.ON_ITS_WAY
    error: str = ""
    tries: int = 0


@dataclass(slots=True)
class Reached:
    """How far each part is settled, and what of that becomes dead letters, in order."""

    cursors: dict[int, Cursor] = field(default_factory=dict)
    given_up: list[Item] = field(default_factory=list)
    waiting: list[Item] = field(default_factory=list)
    delivered: int = 0


class Suspects:
    """Events that were refused together with others, or alone so many times. They are sent alone."""

    def __init__(self) -> None:
        self._tries: dict[Key, int] = {}

    def __contains__(self, event: StoredEvent) -> bool:
        return _key(event) in self._tries

    def refused(self, event: StoredEvent, alone: bool) -> int:
        """Notes it; how often the event was refused alone."""
        if len(self._tries) >= SUSPECTS_MAX:
            self._tries.clear()
        tries = self._tries.get(_key(event), 0) + alone
        self._tries[_key(event)] = tries
        return tries

    def cleared(self, event: StoredEvent) -> None:
        """It is settled."""
        self._tries.pop(_key(event), None)


class Batch:
    """Events of several parts, part by part, each in order."""

    def __init__(
        self,
        outgoing: Sequence[Outgoing],
        held_back: dict[MerchantScoped, int],
        order: PublishingOrder,
        suspects: Suspects,
    ) -> None:
        """``held_back`` are aggregates with dead letters, from the version on that is the first of them."""
        self._items = [Item(one) for one in outgoing]
        self._held_back = held_back
        self._order = order
        self._suspects = suspects

    def publish(self, publisher: Publisher, goes_on: Callable[[], bool]) -> Outcome:
        """Publishes what may be, and says how the last attempt ended, and what was seen of the log in all."""
        outcome = Outcome()
        ends: dict[int, int] = {}
        lost_its_log = False
        for run in self._runs():
            sent: list[Item] = []
            outcome = publisher.publish(self._admitted(run, sent), goes_on)
            for item, is_delivered in zip(sent, outcome.delivered, strict=True):
                if is_delivered:
                    item.fate = Fate.DELIVERED
                    self._suspects.cleared(item.outgoing.stored)
            for index, error in outcome.refused.items():
                self._refused(sent[index], error, alone=len(sent) == 1)
            ends |= outcome.ends
            lost_its_log |= outcome.lost_its_log
            if outcome.failure or any(item.fate is Fate.ON_ITS_WAY for item in sent):
                break
        return replace(outcome, ends=ends, lost_its_log=lost_its_log)

    def reached(self) -> Reached:
        """Up to where nothing is missing."""
        reached = Reached()
        stuck: set[int] = set()
        for item in self._items:
            part = item.outgoing.part
            if item.fate is Fate.ON_ITS_WAY:
                stuck.add(part)
            if part in stuck:
                continue
            reached.cursors[part] = item.outgoing.cursor
            if item.fate is Fate.GIVEN_UP:
                reached.given_up.append(item)
            elif item.fate is Fate.WAITS:
                reached.waiting.append(item)
        reached.delivered = sum(item.fate is Fate.DELIVERED for item in self._items)
        return reached

    def _runs(self) -> Iterator[list[Item]]:
        run: list[Item] = []
        for item in self._items:
            if item.outgoing.stored in self._suspects:
                yield run
                yield [item]
                run = []
            else:
                run.append(item)
        yield run

    def _admitted(self, run: Sequence[Item], sent: list[Item]) -> Iterator[PublishedEvent]:
        for item in run:
            event = self._event(item)
            if event is not None:
                sent.append(item)
                yield event

    def _event(self, item: Item) -> PublishedEvent | None:
        """None where it must not be published, or cannot be."""
        stored = item.outgoing.stored
        aggregate = (stored.merchant_id, stored.aggregate_id)
        if stored.aggregate_version >= self._held_back.get(aggregate, stored.aggregate_version + 1):
            item.fate = Fate.WAITS
            self._order.forget(aggregate)
            return None
        if not self._order.admits(stored):
            metrics.DISORDER.inc()
            self._give_up(item, "the event before it in its aggregate is not published", 1)
            return None
        try:
            return to_published(stored)
        except UnpublishableError as error:
            self._give_up(item, str(error), 1)
            return None

    def _refused(self, item: Item, error: str, alone: bool) -> None:
        metrics.REFUSALS.inc()
        tries = self._suspects.refused(item.outgoing.stored, alone)
        if tries >= TRIES_MAX:
            self._give_up(item, error, tries)
            self._suspects.cleared(item.outgoing.stored)

    def _give_up(self, item: Item, error: str, tries: int) -> None:
        item.fate, item.error, item.tries = Fate.GIVEN_UP, error, tries
        stored = item.outgoing.stored
        self._held_back[stored.merchant_id, stored.aggregate_id] = stored.aggregate_version
        log.error(
            "an event cannot be published, and its aggregate waits: %s",
            error,
            extra={
                "merchant_id": stored.merchant_id,
                "aggregate_id": stored.aggregate_id,
                "aggregate_version": stored.aggregate_version,
            },
        )


def letter(stored: StoredEvent) -> Letter:
    """The event as a dead letter, without data where they cannot be put on the wire."""
    try:
        return letter_of(to_published(stored))
    except UnpublishableError:
        return letter_of(with_data(stored, b"", stored.schema_version))


def given_up(item: Item) -> GivenUp:
    """The event as it is parked."""
    return GivenUp(letter(item.outgoing.stored), item.error, item.tries)


def _key(event: StoredEvent) -> Key:
    return event.merchant_id, event.aggregate_id, event.aggregate_version
