"""What the simulator remembers, in SQLite: payments, executed requests, references shut out.

A commit is in the operating system's hands before it is acknowledged (write-ahead log, synchronous
NORMAL), so a SIGKILL of the process loses nothing; only a crash of the machine itself may lose the last
few, which a simulator can afford and an fsync a request it could not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct, json

from payflow.psp.simulator.answers import Executed
from payflow.psp.simulator.payments import Payment
from payflow.psp.simulator.requests import Key

_SCHEMA = """
CREATE TABLE IF NOT EXISTS payments (
    psp_account TEXT NOT NULL, merchant TEXT NOT NULL, id TEXT NOT NULL, payment BLOB NOT NULL,
    PRIMARY KEY (psp_account, merchant, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS executions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    psp_account TEXT NOT NULL, merchant TEXT NOT NULL, reference TEXT NOT NULL, execution INTEGER NOT NULL,
    operation TEXT NOT NULL, payment_id TEXT NOT NULL, id TEXT NOT NULL,
    amount INTEGER NOT NULL, currency TEXT NOT NULL, result TEXT NOT NULL, executed_at_us INTEGER NOT NULL,
    request BLOB NOT NULL, answer BLOB NOT NULL,
    UNIQUE (psp_account, merchant, reference, execution)
) STRICT;
CREATE TABLE IF NOT EXISTS shut_out (
    psp_account TEXT NOT NULL, merchant TEXT NOT NULL, reference TEXT NOT NULL,
    PRIMARY KEY (psp_account, merchant, reference)
) STRICT, WITHOUT ROWID;
"""

_PAYMENT = "SELECT payment FROM payments WHERE psp_account = ? AND merchant = ? AND id = ?"
_PUT_PAYMENT = "INSERT OR REPLACE INTO payments VALUES (?, ?, ?, ?)"
_LAST_EXECUTION = """
SELECT execution, executed_at_us, request, answer FROM executions
WHERE psp_account = ? AND merchant = ? AND reference = ? ORDER BY execution DESC LIMIT 1
"""
# After a repeat outside the key window there are several; one that moved money is the one to tell of.
_TELLING_ANSWER = """
SELECT answer FROM executions WHERE psp_account = ? AND merchant = ? AND reference = ?
ORDER BY result = 'approved' DESC, execution DESC LIMIT 1
"""
_ADD_EXECUTION = """
INSERT INTO executions (psp_account, merchant, reference, execution, operation, payment_id, id, amount,
                        currency, result, executed_at_us, request, answer)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_EXECUTIONS = """
SELECT sequence, executed_at_us, psp_account, merchant, reference, execution, operation, payment_id, id,
       amount, currency, result
FROM executions WHERE sequence > ? AND (result = 'approved' OR NOT ?) ORDER BY sequence LIMIT ?
"""
_IS_SHUT_OUT = "SELECT 1 FROM shut_out WHERE psp_account = ? AND merchant = ? AND reference = ?"
_SHUT_OUT = "INSERT OR IGNORE INTO shut_out VALUES (?, ?, ?)"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BUSY_TIMEOUT_MS = 5_000


class Execution(Struct, frozen=True):
    """One executed request. ``execution`` counts the requests executed under its reference, from 1.

    ``id`` is what the caller was given: the refund of a refund, otherwise the payment.
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


class Database:
    """One connection; the thread that opened it is the only one to use it."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the file; raises sqlite3.Error where it is not a database of ours."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        self._payments = json.Decoder(Payment)
        self._answers: json.Decoder[Executed] = json.Decoder(Executed)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done inside is kept together, or not at all when it raises."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def payment(self, key: Key, payment_id: str) -> Payment | None:
        """The payment with this id, if it belongs to the account of ``key``."""
        row = self._connection.execute(_PAYMENT, (key.psp_account, key.merchant, payment_id)).fetchone()
        return self._payments.decode(row[0]) if row else None

    def put_payment(self, key: Key, payment: Payment) -> None:
        """Stores a payment of the account of ``key``, new or changed."""
        row = (key.psp_account, key.merchant, payment.id, json.encode(payment))
        self._connection.execute(_PUT_PAYMENT, row)

    def last_execution(self, key: Key) -> Remembered | None:
        """The last request executed under ``key``, however long ago."""
        row = self._connection.execute(_LAST_EXECUTION, _columns(key)).fetchone()
        if row is None:
            return None
        execution, executed_at_us, request, answer = row
        return Remembered(execution, _time(executed_at_us), request, self._answers.decode(answer))

    def telling_answer(self, key: Key) -> Executed | None:
        """What the key's execution was answered, one that moved money before any other."""
        row = self._connection.execute(_TELLING_ANSWER, _columns(key)).fetchone()
        return self._answers.decode(row[0]) if row else None

    def add_execution(self, execution: Execution, request: bytes, answer: Executed) -> None:
        """Appends an executed request; its sequence is given by the database."""
        row = (
            *(execution.psp_account, execution.merchant, execution.reference, execution.execution),
            *(execution.operation, execution.payment_id, execution.id, execution.amount),
            *(execution.currency, execution.result, _microseconds(execution.executed_at)),
            *(request, json.encode(answer)),
        )
        self._connection.execute(_ADD_EXECUTION, row)

    def executions(self, after: int, limit: int, moved_only: bool) -> list[Execution]:
        """Up to ``limit`` executions with a greater sequence, in order; or only those that were approved."""
        rows = self._connection.execute(_EXECUTIONS, (after, moved_only, limit))
        return [Execution(sequence, _time(at_us), *columns) for sequence, at_us, *columns in rows]

    def shut_out(self, key: Key) -> None:
        """Remembers for good that ``key`` must not be executed."""
        self._connection.execute(_SHUT_OUT, _columns(key))

    def is_shut_out(self, key: Key) -> bool:
        """Whether ``key`` was shut out."""
        return self._connection.execute(_IS_SHUT_OUT, _columns(key)).fetchone() is not None


def _columns(key: Key) -> tuple[str, str, str]:
    return key.psp_account, key.merchant, key.reference


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
