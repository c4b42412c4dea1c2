"""How far the heads of each chain are published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from payflow.domain.proof.block import Block
from payflow.store.proof.blocks import BLOCK_COLUMNS, block_of

# Held by the session of the publisher that is at work; it ends with it.
LOCK = "SELECT pg_try_advisory_lock(hashtext('payflow ledger heads'))"

UNPUBLISHED = f"""
    SELECT {BLOCK_COLUMNS}
    FROM seal_chains AS chain
    CROSS JOIN LATERAL (
        SELECT *
        FROM seal_blocks
        WHERE part = chain.part AND number > chain.published_number
        ORDER BY number
        LIMIT %(limit)s
    ) AS block
    ORDER BY block.part, block.number
    LIMIT %(limit)s
"""

NOTE = "UPDATE seal_chains SET published_number = %s WHERE part = %s"

# Where the topic's logs ended when they were looked at last. Nobody else writes this topic's row.
ENDS = "SELECT ends FROM relay_topics WHERE topic = %s"
NOTE_ENDS = """
    INSERT INTO relay_topics (topic, ends, logs)
    VALUES (%s, %s, 0)
    ON CONFLICT (topic) DO UPDATE SET ends = excluded.ends
"""

BEGIN_AGAIN = f"""
    WITH noted AS ({NOTE_ENDS} RETURNING topic)
    UPDATE seal_chains SET published_number = 0 FROM noted
"""

SESSION = """
    SELECT set_config('application_name', 'payflow-heads', false),
           set_config('TimeZone', 'UTC', false),
           set_config('statement_timeout', '60s', false)
"""

CONNECT_TIMEOUT_S = 3


class HeadCursor:
    """Raises psycopg.Error, after which it may be used again."""

    def __init__(self, conninfo: str, topic: str) -> None:
        self._conninfo = conninfo
        self._topic = topic
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._locked = False

    def close(self) -> None:
        """Leaves the work to others."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._locked = False

    def is_ours(self) -> bool:
        """Whether this publisher is the one at work."""
        if not self._locked:
            self._locked = bool(self._rows(LOCK)[0][0])
        return self._locked

    def unpublished(self, limit: int) -> list[Block]:
        """The next blocks whose heads are to be published, those of each chain in order."""
        return [block_of(row) for row in self._rows(UNPUBLISHED, {"limit": limit})]

    def note(self, part: int, number: int) -> None:
        """Writes down that the heads up to ``number`` are published."""
        self._execute(NOTE, (number, part))

    def known_ends(self) -> Sequence[int] | None:
        """Where the topic's logs are known to have ended; None where it is new."""
        found = self._rows(ENDS, (self._topic,))
        return list(found[0][0]) if found else None

    def note_ends(self, ends: Sequence[int]) -> None:
        """Notes where they end now."""
        self._execute(NOTE_ENDS, (self._topic, list(ends)))

    def begin_again(self, ends: Sequence[int]) -> None:
        """Has every head published again, and notes where the topic's logs end before that."""
        self._execute(BEGIN_AGAIN, (self._topic, list(ends)))

    def _rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        return self._execute(sql, parameters).fetchall()

    def _execute(self, sql: str, parameters: Any = ()) -> psycopg.Cursor[tuple[Any, ...]]:
        try:
            if self._connection is None:
                self._connection = psycopg.connect(
                    self._conninfo, autocommit=True, row_factory=tuple_row, connect_timeout=CONNECT_TIMEOUT_S
                )
                self._connection.execute(SESSION)
            return self._connection.execute(sql.encode(), parameters)
        except psycopg.Error:
            self.close()
            raise
