"""What the simulator remembers of requests: those executed, those shut out, how often each was seen."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct, json

from payflow.domain.instants import instant_of, microseconds
from payflow.psp.simulator.answers import Executed
from payflow.psp.simulator.database import Database, columns
from payflow.psp.simulator.requests import Key

_LAST = """
SELECT execution, executed_at_us, request, answer FROM executions
WHERE psp_account = ? AND merchant = ? AND reference = ? ORDER BY execution DESC LIMIT 1
"""
# After a repeat outside the key window there are several; one that moved money is the one to tell of.
_OUTCOME = """
SELECT coalesce(outcome, answer) FROM executions WHERE psp_account = ? AND merchant = ? AND reference = ?
ORDER BY result = 'approved' DESC, execution DESC LIMIT 1
"""
_ADD = """
INSERT INTO executions (psp_account, merchant, reference, execution, operation, payment_id, id, amount,
                        currency, result, executed_at_us, request, answer)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_CAME_TO = """
UPDATE executions SET result = ?, outcome = ?
WHERE psp_account = ? AND merchant = ? AND reference = ? AND execution = ?
"""
_PAGE = """
SELECT sequence, executed_at_us, psp_account, merchant, reference, execution, operation, payment_id, id,
       amount, currency, result
FROM executions WHERE sequence > ? ORDER BY sequence LIMIT ?
"""
_IS_SHUT_OUT = "SELECT 1 FROM shut_out WHERE psp_account = ? AND merchant = ? AND reference = ?"
_SHUT_OUT = "INSERT OR IGNORE INTO shut_out VALUES (?, ?, ?)"
_COUNT = """
INSERT INTO sightings VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count
"""


class Execution(Struct, frozen=True):
    """One executed request. ``execution`` counts the requests executed under its reference, from 1.

    ``id`` is what the caller was given: the refund of a refund, otherwise the payment. ``result`` is what
    it has come to by now.
    """

    sequence: int
    executed_at: datetime
    psp_account: str
    merchant: str
    reference: str
    execution: int
    operation: str
    payment_id: str
    id: str
    amount: int
    currency: str
    result: str


class Remembered(Struct, frozen=True):
    """The last execution under a key: the request's bytes and what was answered."""

    execution: int
    executed_at: datetime
    request: bytes
    answer: Executed


class Executions:
    """The requests in a simulator's file."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connection
        self._answers: json.Decoder[Executed] = json.Decoder(Executed)

    def count(self, key: Key, kind: str) -> int:
        """How often ``key`` was seen in a request of this kind, this time included."""
        return int(self._connection.execute(_COUNT, (*columns(key), kind)).fetchone()[0])

    def last(self, key: Key) -> Remembered | None:
        """The last request executed under ``key``, however long ago."""
        row = self._connection.execute(_LAST, columns(key)).fetchone()
        if row is None:
            return None
        execution, executed_at_us, request, answer = row
        return Remembered(execution, instant_of(executed_at_us), request, self._answers.decode(answer))

    def outcome(self, key: Key) -> Executed | None:
        """What the key's execution has come to by now, one that moved money before any other."""
        row = self._connection.execute(_OUTCOME, columns(key)).fetchone()
        return self._answers.decode(row[0]) if row else None

    def add(self, execution: Execution, request: bytes, answer: Executed) -> None:
        """Appends an executed request; its sequence is given by the database."""
        row = (
            *(execution.psp_account, execution.merchant, execution.reference, execution.execution),
            *(execution.operation, execution.payment_id, execution.id, execution.amount),
            *(execution.currency, execution.result, microseconds(execution.executed_at)),
            *(request, json.encode(answer)),
        )
        self._connection.execute(_ADD, row)

    def came_to(self, key: Key, execution: int, outcome: Executed) -> None:
        """Notes what an execution has come to after it was answered."""
        row = (result_of(outcome), json.encode(outcome), *columns(key), execution)
        self._connection.execute(_CAME_TO, row)

    def page(self, after: int, limit: int) -> list[Execution]:
        """Up to ``limit`` executions with a greater sequence than ``after``, in order."""
        rows = self._connection.execute(_PAGE, (after, limit))
        return [Execution(sequence, instant_of(at_us), *others) for sequence, at_us, *others in rows]

    def shut_out(self, key: Key) -> None:
        """Remembers for good that ``key`` must not be executed."""
        self._connection.execute(_SHUT_OUT, columns(key))

    def is_shut_out(self, key: Key) -> bool:
        """Whether ``key`` was shut out."""
        return self._connection.execute(_IS_SHUT_OUT, columns(key)).fetchone() is not None


def result_of(answer: Executed) -> str:
    """The word that tells answers apart."""
    return str(answer.__struct_config__.tag)
