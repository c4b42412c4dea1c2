"""Where the logs of topics end, so that one that has lost what was published is found out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from payflow.store.database.pool import Pool, PooledConnection

KNOWN = "SELECT ends, logs FROM relay_topics WHERE topic = %s"

# Two relays may look at the same time: what one has seen later stands.
_LATER = """(
    SELECT array_agg(greatest(before, now) ORDER BY partition)
    FROM unnest(relay_topics.ends, {seen}) WITH ORDINALITY AS ends (before, now, partition))
"""

NOTE = f"""
    INSERT INTO relay_topics (topic, ends, logs)
    VALUES (%s, %s, 0)
    ON CONFLICT (topic) DO UPDATE
    SET ends = {_LATER.format(seen="excluded.ends")}
    WHERE relay_topics.logs = %s
"""


REACH = f"""
    UPDATE relay_topics
    SET ends = {_LATER.format(seen="seen.ends")}
    FROM (SELECT %s::bigint[] AS ends) AS seen
    WHERE topic = %s
"""

# Every part changes hands, so that nobody goes on from where it was.
LOSE = """
    WITH lost AS (
        UPDATE relay_topics SET ends = %s, logs = logs + 1 WHERE topic = %s AND logs = %s RETURNING topic
    )
    UPDATE relay_parts SET owner = '', fence = fence + 1, system_identifier = 0 FROM lost
"""


@dataclass(frozen=True, slots=True)
class KnownEnds:
    """The end of each partition's log, and how many logs the topic had before these."""

    ends: Sequence[int]
    logs: int


class RelayTopics:
    """Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: Pool, topic: str) -> None:
        self._pool = pool
        self._topic = topic

    def known(self, deadline: float) -> KnownEnds:
        """What was noted last."""
        row = self._pool.one(KNOWN, (self._topic,), deadline)
        return KnownEnds(row["ends"], row["logs"]) if row else KnownEnds((), 0)

    def note(self, ends: Sequence[int], known: KnownEnds, deadline: float) -> None:
        """Notes where the logs end now, unless they are others by now."""
        self._pool.execute(NOTE, (self._topic, list(ends), known.logs), deadline)

    def reach(self, connection: PooledConnection, ends: Mapping[int, int]) -> None:
        """Notes where logs ended behind what a relay delivered to them while it held its parts."""
        if ends:
            seen = [ends.get(partition) for partition in range(max(ends) + 1)]
            connection.execute(REACH, (seen, self._topic))

    def lose(self, ends: Sequence[int], known: KnownEnds, deadline: float) -> None:
        """Has everything published again, once, whoever else has found out, too."""
        self._pool.execute(LOSE, (list(ends), self._topic, known.logs), deadline)
