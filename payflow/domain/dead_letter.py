"""An event that a consumer could not take, as it waits for an operator."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

ERROR_CHARACTERS_MAX = 1_000

_CONSUMER = "[a-z][a-z0-9-]{0,62}"
_ID = re.compile(rf"({_CONSUMER}):([!-~]{{1,200}}):([1-9][0-9]{{0,17}})")


class DeadLetterState(StrEnum):
    """Where a dead letter stands.

    PARKED: the consumer gave it up. WAITING: it is behind a parked one of its aggregate. RETRYING: the
    consumer is to try it again. DISCARDED: an operator gave it up, so that it is kept no more.
    """

    PARKED = "PARKED"
    WAITING = "WAITING"
    RETRYING = "RETRYING"
    DISCARDED = "DISCARDED"


@dataclass(frozen=True, slots=True)
class LetterKey:
    """Which letter of which consumer."""

    merchant_id: str
    consumer: str
    aggregate_id: str
    aggregate_version: int

    @property
    def id(self) -> str:
        """What operators call it: the consumer and the event's id. A consumer's name has no colon."""
        return f"{self.consumer}:{self.aggregate_id}:{self.aggregate_version}"


@dataclass(frozen=True, slots=True)
class Letter:
    """An event as it is published: ``headers`` of CloudEvents, and the ``value`` of the message."""

    merchant_id: str
    aggregate_id: str
    aggregate_version: int
    type: str
    headers: Mapping[str, str]
    value: bytes


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A letter that its consumer tried ``tries`` times, and why it failed."""

    letter: Letter
    error: str
    tries: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A letter that one consumer did not take. ``tries`` counts all of them, those of retries too.

    ``parked_at`` is when it failed last, or came to wait. Lists leave the letter's headers and value empty.
    """

    consumer: str
    letter: Letter
    state: DeadLetterState
    error: str
    tries: int
    parked_at: datetime

    @property
    def key(self) -> LetterKey:
        """Which one it is."""
        letter = self.letter
        return LetterKey(letter.merchant_id, self.consumer, letter.aggregate_id, letter.aggregate_version)


@dataclass(frozen=True, slots=True)
class DeadLetterView:
    """A dead letter, and how many later events of its aggregate are there for the same consumer."""

    dead_letter: DeadLetter
    behind: int


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which dead letters a list is of; empty takes all."""

    consumer: str = ""
    merchant_id: str = ""
    state: DeadLetterState | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What one consumer has not taken: aggregates that are parked, since when, and events in all."""

    consumer: str
    parked: int
    oldest_parked_at: datetime | None
    events: int


def is_consumer(name: str) -> bool:
    """Whether this may be a consumer's name."""
    return re.fullmatch(_CONSUMER, name) is not None


def parse_id(identifier: str) -> tuple[str, str, int] | None:
    """The consumer, aggregate and version that an id names; None for anything that is not such an id."""
    found = _ID.fullmatch(identifier)
    return (found[1], found[2], int(found[3])) if found else None
