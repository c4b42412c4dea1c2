"""What is still to happen, in the simulator's file."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct, json

from payflow.domain.instants import instant_of, microseconds
from payflow.psp.simulator.database import Database
from payflow.psp.simulator.plans import Plan
from payflow.psp.simulator.requests import Subject

_ADD = "INSERT INTO schedule (due_at_us, task) VALUES (?, ?)"
_FIRST_DUE = "SELECT sequence, task FROM schedule WHERE due_at_us <= ? ORDER BY due_at_us, sequence LIMIT 1"
_NEXT_DUE_AT = "SELECT min(due_at_us) FROM schedule"
_REMOVE = "DELETE FROM schedule WHERE sequence = ?"


class Later(StrEnum):
    """What happens to an operation after it was answered."""

    EXECUTED_AFTER_ALL = "executed_after_all"
    FINISHED = "finished"
    TAKEN_BACK = "taken_back"


class Task(Struct, frozen=True):
    """What happens to ``subject``, which was answered at ``answered_at``, by ``plan``."""

    what: Later
    subject: Subject
    answered_at: datetime
    plan: Plan = Plan()


class Schedule:
    """Tasks by the time that they are due at, on the simulator's clock."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connection
        self._tasks = json.Decoder(Task)

    def add(self, due_at: datetime, task: Task) -> None:
        """Remembers a task."""
        self._connection.execute(_ADD, (microseconds(due_at), json.encode(task)))

    def take_due(self, now: datetime) -> Task | None:
        """The task that is due for longest, which is forgotten with this; None where none is due."""
        row = self._connection.execute(_FIRST_DUE, (microseconds(now),)).fetchone()
        if row is None:
            return None
        self._connection.execute(_REMOVE, (row[0],))
        return self._tasks.decode(row[1])

    def next_due_at(self) -> datetime | None:
        """When the next task is due; None where there is none."""
        due_at_us = self._connection.execute(_NEXT_DUE_AT).fetchone()[0]
        return None if due_at_us is None else instant_of(due_at_us)
