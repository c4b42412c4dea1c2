"""Where consumers get their messages from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """What was received: ``headers`` and ``value`` of a Kafka message or of a Redis stream's entry."""

    headers: Mapping[str, str]
    value: bytes


class Source(Protocol):
    """Delivers messages at least once, those of an aggregate in order.

    What was polled and never committed is delivered again: to another member of the group when this one is
    gone, to a new one in its place, or to this one.
    """

    def poll(self, batch_max: int, wait_s: float) -> list[Message]:
        """The next messages, at most ``batch_max``; waits up to ``wait_s`` seconds for the first."""
        ...

    def commit(self) -> None:
        """Notes that everything that was polled is dealt with; a note that is lost costs duplicates only."""
        ...

    def close(self) -> None:
        """Leaves the group."""
        ...
