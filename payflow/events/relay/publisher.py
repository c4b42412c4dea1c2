"""What carries events to those who consume them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from payflow.events.published_event import PublishedEvent


class PublisherFailedError(Exception):
    """Where events are published does not answer, or the publisher is of no use any more."""


@dataclass(slots=True)
class Outcome:
    """What became of events: ``delivered`` says it of each that was taken, ``refused`` why one never will be.

    With a ``failure`` the publisher is of no use any more, and the fate of what was not delivered is unknown.
    ``ends`` are those that ``Publisher.ends`` would tell behind what was delivered, by partition, of a log
    that may lose its end although it said that it took it.
    """

    delivered: list[bool] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    failure: str = ""
    lost_its_log: bool = False
    ends: dict[int, int] = field(default_factory=dict)


class Publisher(Protocol):
    """Publishes in order: an event is never there without those before it of its aggregate."""

    def publish(self, events: Iterable[PublishedEvent], goes_on: Callable[[], bool]) -> Outcome:
        """Publishes events until each is there, one is refused, something fails or ``goes_on`` says no.

        Events are taken one by one, none behind one that was refused; ``goes_on`` is asked every
        tenth of a second or so.
        """
        ...

    def ends(self) -> Sequence[int]:
        """Where the log of each partition ends; never less than before, unless it was lost.

        Raises PublisherFailedError.
        """
        ...

    def close(self) -> None:
        """Forgets what is on its way."""
        ...
