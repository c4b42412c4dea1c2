"""An event that a consumer could not take, as it waits for an operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

ERROR_CHARACTERS_MAX = 1_000


class DeadLetterState(StrEnum):
    """Where a dead letter stands.

    PARKED: the consumer gave it up. WAITING: it is behind a parked one of its aggregate. RETRYING: the
    consumer is to try it again.
    """

    PARKED = "PARKED"
    WAITING = "WAITING"
    RETRYING = "RETRYING"


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

    ``parked_at`` is when it failed last, or came to wait.
    """

    consumer: str
    letter: Letter
    state: DeadLetterState
    error: str
    tries: int
    parked_at: datetime
