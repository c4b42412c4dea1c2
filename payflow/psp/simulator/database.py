"""The SQLite file in which the simulator remembers what it did.

A commit is in the operating system's hands before it is acknowledged (write-ahead log, synchronous
NORMAL), so a SIGKILL of the process loses nothing; only a crash of the machine itself may lose the last
few, which a simulator can afford and an fsync a request it could not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from payflow.psp.simulator.requests import Key

# What brings a file of one version to the next; PRAGMA user_version says where it is.
_UPGRADES = (
    """
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
""",
    """
ALTER TABLE executions ADD COLUMN outcome BLOB;
CREATE INDEX payments_by_id ON payments (id);
CREATE TABLE effects (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    psp_account TEXT NOT NULL, merchant TEXT NOT NULL, reference TEXT NOT NULL, execution INTEGER NOT NULL,
    operation TEXT NOT NULL, payment_id TEXT NOT NULL, id TEXT NOT NULL,
    amount INTEGER NOT NULL, currency TEXT NOT NULL, executed_at_us INTEGER NOT NULL,
    UNIQUE (psp_account, merchant, reference, execution, operation)
) STRICT;
INSERT INTO effects (psp_account, merchant, reference, execution, operation, payment_id, id, amount,
                     currency, executed_at_us)
    SELECT psp_account, merchant, reference, execution, operation, payment_id, id, amount,
           currency, executed_at_us
    FROM executions WHERE result = 'approved' ORDER BY sequence;
CREATE TABLE sightings (
    psp_account TEXT NOT NULL, merchant TEXT NOT NULL, reference TEXT NOT NULL, kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (psp_account, merchant, reference, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE schedule (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, due_at_us INTEGER NOT NULL, task BLOB NOT NULL
) STRICT;
CREATE INDEX schedule_by_time ON schedule (due_at_us);
CREATE TABLE deliveries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL, type TEXT NOT NULL, psp_account TEXT NOT NULL, reference TEXT NOT NULL,
    payment_id TEXT NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, held INTEGER NOT NULL,
    due_at_us INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, status INTEGER, ended_at_us INTEGER
) STRICT;
CREATE INDEX deliveries_to_send ON deliveries (due_at_us) WHERE ended_at_us IS NULL;
CREATE INDEX deliveries_held ON deliveries (payment_id) WHERE ended_at_us IS NULL AND held;
""",
)

_BUSY_TIMEOUT_MS = 5_000


class Database:
    """One connection; the thread that opened it is the only one to use it."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the file; raises sqlite3.Error where it is not a database of ours."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self._upgrade()

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done inside is kept together, or not at all when it raises."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def _upgrade(self) -> None:
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        for number, script in enumerate(_UPGRADES[version:], version + 1):
            self.connection.executescript(f"BEGIN;{script}PRAGMA user_version = {number};COMMIT;")


def columns(key: Key) -> tuple[str, str, str]:
    """A key as its three columns."""
    return key.psp_account, key.merchant, key.reference
