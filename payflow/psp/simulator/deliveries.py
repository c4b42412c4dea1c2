"""The webhooks in a simulator's file: those to be sent, and what became of those that were."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from payflow.domain.instants import instant_of, microseconds
from payflow.psp.simulator.database import Database
from payflow.psp.simulator.webhooks import Event

_ADD = """
INSERT INTO deliveries (event_id, type, psp_account, reference, payment_id, kind, body, held, due_at_us,
                        ended_at_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_DUE = """
SELECT sequence, event_id, psp_account, payment_id, kind, body, attempts FROM deliveries
WHERE ended_at_us IS NULL AND due_at_us <= ? ORDER BY due_at_us, sequence LIMIT ?
"""
_NEXT_DUE_AT = "SELECT min(due_at_us) FROM deliveries WHERE ended_at_us IS NULL AND due_at_us > ?"
_ANSWERED = """
UPDATE deliveries SET attempts = attempts + 1, status = ?, ended_at_us = ?, due_at_us = ? WHERE sequence = ?
"""
_RELEASE = """
UPDATE deliveries SET due_at_us = min(due_at_us, ?), held = 0
WHERE payment_id = ? AND event_id <> ? AND sequence < ? AND held AND ended_at_us IS NULL
"""
_PAGE = """
SELECT sequence, due_at_us, ended_at_us, event_id, type, psp_account, reference, payment_id, kind, attempts,
       status
FROM deliveries WHERE sequence > ? ORDER BY sequence LIMIT ?
"""
_WAITING = "SELECT count(*) FROM deliveries WHERE ended_at_us IS NULL"


class Kind(StrEnum):
    """What a delivery is: the event as it happened, or one that its receiver must not believe."""

    TRUE = "true"
    DROPPED = "dropped"
    FORGED = "forged"
    ALTERED = "altered"
    STALE = "stale"
    FUTURE = "future"


class Due(Struct, frozen=True):
    """A delivery that is to be sent now, for the ``attempts`` + 1-th time."""

    sequence: int
    event_id: str
    psp_account: str
    payment_id: str
    kind: Kind
    body: bytes
    attempts: int


class DeliveryView(Struct, frozen=True):
    """A delivery as an operator sees it; ``status`` is the HTTP status that it was answered with last."""

    sequence: int
    due_at: datetime
    ended_at: datetime | None
    event_id: str
    type: str
    psp_account: str
    reference: str
    payment_id: str
    kind: str
    attempts: int
    status: int | None


class Deliveries:
    """Deliveries by the time that they are due at, on the simulator's clock."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connection

    def add(self, event: Event, kind: Kind, body: bytes, due_at: datetime, *, held: bool = False) -> None:
        """Remembers a delivery; one that is dropped is never sent. ``held`` waits for the next."""
        due_at_us = microseconds(due_at)
        row = (
            *(event.id, event.type, event.psp_account, event.reference, event.payment_id),
            *(kind, body, held, due_at_us, due_at_us if kind is Kind.DROPPED else None),
        )
        self._connection.execute(_ADD, row)

    def due(self, now: datetime, limit: int) -> list[Due]:
        """Up to ``limit`` of those that are due, longest first."""
        rows = self._connection.execute(_DUE, (microseconds(now), limit))
        return [
            Due(sequence, event_id, psp_account, payment_id, Kind(kind), body, attempts)
            for sequence, event_id, psp_account, payment_id, kind, body, attempts in rows
        ]

    def next_due_at(self, now: datetime) -> datetime | None:
        """When the next one after ``now`` is due; None where there is none."""
        due_at_us = self._connection.execute(_NEXT_DUE_AT, (microseconds(now),)).fetchone()[0]
        return None if due_at_us is None else instant_of(due_at_us)

    def end(self, sequence: int, status: int | None, now: datetime) -> None:
        """Notes that a delivery needs no further attempt."""
        self._connection.execute(_ANSWERED, (status, microseconds(now), microseconds(now), sequence))

    def put_off(self, sequence: int, status: int | None, due_at: datetime) -> None:
        """Notes a failed attempt, and when the next one is due; ``status`` None: nobody answered."""
        self._connection.execute(_ANSWERED, (status, None, microseconds(due_at), sequence))

    def release(self, arrived: Due, now: datetime) -> None:
        """Lets go what was held back until the payment's next event arrived."""
        row = (microseconds(now), arrived.payment_id, arrived.event_id, arrived.sequence)
        self._connection.execute(_RELEASE, row)

    def page(self, after: int, limit: int) -> list[DeliveryView]:
        """Up to ``limit`` deliveries with a greater sequence than ``after``, in order."""
        rows = self._connection.execute(_PAGE, (after, limit))
        return [
            DeliveryView(sequence, instant_of(due_at_us), ended_at_us and instant_of(ended_at_us), *others)
            for sequence, due_at_us, ended_at_us, *others in rows
        ]

    def waiting(self) -> int:
        """How many are still to be sent."""
        return int(self._connection.execute(_WAITING).fetchone()[0])
