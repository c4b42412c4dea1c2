"""The writer's own connection: serializable transactions, one at a time, in turn with other processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors
from psycopg.rows import dict_row

from payflow.store.database.statement import DictConnection

# Said in the statement because psycopg ignores isolation_level in autocommit mode.
BEGIN = "BEGIN ISOLATION LEVEL SERIALIZABLE"
COMMIT = "COMMIT"
ROLLBACK = "ROLLBACK"

# A session lock, taken before BEGIN so that the snapshot is younger than the wait. It only saves
# serialization failures: after lock_timeout the batch goes ahead without its turn.
TAKE_TURN = "SELECT pg_advisory_lock(%s, %s)"
END_TURN = "SELECT pg_advisory_unlock(%s, %s)"
COMMITTER_TURNS = 0x5061
CONSUMER_TURNS = 0x5062

# Index look-ups only: a sequential scan of a small table would put its predicate lock on all of it,
# and every concurrent batch would conflict.
SESSION = """
    SELECT set_config('application_name', 'payflow-writer', false),
           set_config('statement_timeout', %s, false),
           set_config('lock_timeout', %s, false),
           set_config('idle_in_transaction_session_timeout', %s, false),
           set_config('enable_seqscan', 'off', false),
           set_config('enable_hashjoin', 'off', false),
           set_config('enable_mergejoin', 'off', false),
           set_config('TimeZone', 'UTC', false)
"""

# A plan that was made for an empty table stays when the table has grown. Forgetting plans each time the
# number of transactions has doubled keeps up with any growth at next to no cost.
FORGET_PLANS = "DISCARD PLANS"

STATEMENT_TIMEOUT_MS = 15_000
LOCK_TIMEOUT_MS = 250
IDLE_TIMEOUT_MS = 15_000
CONNECT_TIMEOUT_S = 3


class WriterConnection:
    """Connects when first used and again after ``drop``.

    Transactions of the same ``lane`` and kind of ``turns`` take turns, others are apart.
    """

    def __init__(self, conninfo: str, lane: int, turns: int = COMMITTER_TURNS) -> None:
        self._conninfo = conninfo
        self._turn = (turns, lane)
        self._connection: DictConnection | None = None
        self._transactions = 0

    def get(self) -> DictConnection:
        """The live connection. Raises psycopg.OperationalError when there is none to be had."""
        if self._connection is None or self._connection.closed:
            self._connection = _connect(self._conninfo)
        return self._connection

    def drop(self) -> None:
        """Closes a connection that may be broken; its locks go with it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def serializable(self) -> Iterator[DictConnection]:
        """One transaction: committed at the end, rolled back on any error."""
        connection = self.get()
        self._transactions += 1
        if self._transactions.bit_count() == 1:
            connection.execute(FORGET_PLANS)
        has_turn = self._take_turn(connection)
        try:
            connection.execute(BEGIN)
            yield connection
            connection.execute(COMMIT)
        except BaseException:
            if not connection.closed:
                connection.execute(ROLLBACK)
            raise
        finally:
            if has_turn and not connection.closed:
                connection.execute(END_TURN, self._turn)

    def _take_turn(self, connection: DictConnection) -> bool:
        try:
            connection.execute(TAKE_TURN, self._turn)
        except errors.LockNotAvailable:
            return False
        return True


def _connect(conninfo: str) -> DictConnection:
    connection: DictConnection = psycopg.connect(
        conninfo,
        autocommit=True,
        row_factory=dict_row,
        connect_timeout=CONNECT_TIMEOUT_S,
        prepare_threshold=2,
    )
    settings: list[Any] = [str(STATEMENT_TIMEOUT_MS), str(LOCK_TIMEOUT_MS), str(IDLE_TIMEOUT_MS)]
    connection.execute(SESSION, settings)
    return connection
