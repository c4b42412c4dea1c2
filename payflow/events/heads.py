"""Publishes the heads of sealed blocks, so that whoever owns the database cannot rewrite history alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from payflow.domain.proof.block import Block
from payflow.domain.proof.published_head import PublishedHead
from payflow.store.head_cursor import HeadCursor

log = logging.getLogger(__name__)

BATCH_MAX = 500
LOOK_EVERY_S = 30.0


class HeadsUnpublishedError(Exception):
    """The topic did not take all of the heads, or does not answer."""


class HeadsTopic(Protocol):
    """Where heads are published, in Kafka or in Redis. Raises HeadsUnpublishedError."""

    def publish(self, blocks: Sequence[Block]) -> list[str]:
        """Publishes the blocks' heads in order, and says where each is, once all are there to stay."""
        ...

    def lost(self, places: Iterable[str]) -> set[str]:
        """Those of the places where nothing is any more."""
        ...

    def heads(self) -> Iterator[PublishedHead]:
        """All heads that are there."""
        ...

    def close(self) -> None:
        """Lets go of it."""
        ...


class HeadPublisher:
    """Publishes each head at least once. Of several publishers one is at work at a time."""

    def __init__(self, cursor: HeadCursor, topic: HeadsTopic) -> None:
        self._cursor = cursor
        self._topic = topic
        self._look_again_at = 0.0

    def round(self) -> int:
        """Publishes a batch of the next heads, and says how many; looks what was lost now and then."""
        if not self._cursor.is_ours():
            return 0
        if time.monotonic() >= self._look_again_at:
            self.begin_again_where_lost()
            self._look_again_at = time.monotonic() + LOOK_EVERY_S
        return self._publish()

    def _publish(self) -> int:
        blocks = self._cursor.unpublished(BATCH_MAX)
        if blocks:
            places = self._topic.publish(blocks)
            # Those of a chain come in order, so its last one has the last word.
            last = {block.header.part: (block, place) for block, place in zip(blocks, places, strict=True)}
            for part, (block, place) in last.items():
                self._cursor.note(part, block.header.number, place)
        return len(blocks)

    def begin_again_where_lost(self) -> int:
        """Has the heads of chains published again that the topic has lost, and says of how many."""
        places = self._cursor.places()
        lost = self._topic.lost(place for _, place in places)
        for part, place in places:
            if place in lost:
                log.warning("the topic has lost heads: they are published again", extra={"part": part})
                self._cursor.note(part, 0, "")
        return len(lost)

    def close(self) -> None:
        """Lets go of the topic and of the cursor."""
        self._topic.close()
        self._cursor.close()
