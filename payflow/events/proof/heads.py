"""Publishes the heads of sealed blocks, so that whoever owns the database cannot rewrite history alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from payflow.domain.proof.block import Block
from payflow.domain.proof.published_head import to_json
from payflow.events.published_event import PublishedEvent
from payflow.events.relay.publisher import Publisher, PublisherFailedError
from payflow.events.relay.topic_log import is_before
from payflow.store.proof.head_cursor import HeadCursor

log = logging.getLogger(__name__)

BATCH_MAX = 500
LOOK_EVERY_S = 10.0

TYPE = "ledger.sealed"


class HeadPublisher:
    """Publishes each head at least once. Of several publishers one is at work at a time."""

    def __init__(
        self,
        cursor: HeadCursor,
        open_publisher: Callable[[], Publisher],
        stops: Callable[[], bool] = lambda: False,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``stops`` says that nobody waits any more; ``now_s`` only ever grows."""
        self._cursor = cursor
        self._open_publisher = open_publisher
        self._stops = stops
        self._now_s = now_s
        self._look_again_s = 0.0
        self._publisher: Publisher | None = None

    def round(self) -> int:
        """Publishes a batch of the next heads, and says how many; looks now and then what was lost."""
        if not self._cursor.is_ours():
            return 0
        try:
            publisher = self._publishing()
            if self._now_s() >= self._look_again_s:
                self._look_for_lost(publisher)
            return self._publish(publisher)
        except PublisherFailedError as error:
            log.warning("heads of the ledger are not published for now: %s", error)
            self._let_go()
            return 0

    def close(self) -> None:
        """Leaves the rest to others."""
        self._let_go()
        self._cursor.close()

    def _publish(self, publisher: Publisher) -> int:
        blocks = self._cursor.unpublished(BATCH_MAX)
        outcome = publisher.publish(map(_event, blocks), lambda: not self._stops())
        # Those of a chain come in order: up to the first that is not there, the last one has the last word.
        there = dict.fromkeys((block.header.part for block in blocks), 0)
        missing = set()
        for block, delivered in zip(blocks, outcome.delivered, strict=False):
            if not delivered:
                missing.add(block.header.part)
            if block.header.part not in missing:
                there[block.header.part] = block.header.number
        for part, number in there.items():
            if number:
                self._cursor.note(part, number)
        if outcome.failure or outcome.refused:
            raise PublisherFailedError(outcome.failure or str(outcome.refused))
        if outcome.lost_its_log:
            self._begin_again(publisher)
        return len(blocks)

    def _look_for_lost(self, publisher: Publisher) -> None:
        """Has everything published again where a log ends before where it is known to have ended."""
        ends = publisher.ends()
        known = self._cursor.known_ends()
        if known is None:
            self._begin_again(publisher)
        elif is_before(ends, known):
            log.warning("the topic has lost heads of the ledger: all are published again")
            self._begin_again(publisher)
        else:
            self._cursor.note_ends(ends)
        self._look_again_s = self._now_s() + LOOK_EVERY_S

    def _begin_again(self, publisher: Publisher) -> None:
        """The topic is new, or has lost what was published."""
        self._cursor.begin_again(publisher.ends())

    def _publishing(self) -> Publisher:
        if self._publisher is None:
            self._publisher = self._open_publisher()
        return self._publisher

    def _let_go(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None


def _event(block: Block) -> PublishedEvent:
    """A chain is an aggregate, and its blocks are its events."""
    chain = f"ledger:{block.header.part}"
    return PublishedEvent(
        id=f"{chain}:{block.header.number}",
        type=TYPE,
        schema_version=1,
        merchant_id="",
        aggregate_id=chain,
        aggregate_version=block.header.number,
        occurred_at=block.header.sealed_at,
        actor="worker:sealer",
        correlation_id=chain,
        causation_id=block.head.hex(),
        traceparent="",
        data=to_json(block),
    )
