"""The parts of the buckets that relays share, each under a lease, and how far each is published.

Leases are counted by the database's clock, so relays need not agree on the time. Every change of a part is
guarded by its fence: whoever lost the part changes nothing any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from payflow.domain.ids import BUCKETS, bucket_of
from payflow.store.database.pool import Pool, PooledConnection

PARTS = 16
BUCKETS_OF_PART = BUCKETS // PARTS

# A relay that was killed is remembered for a while, so that the table does not grow.
KEEP_ALIVE = """
    INSERT INTO relays (id, lease_until)
    VALUES (%s, now() + %s)
    ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
"""
FORGET_DEAD = "DELETE FROM relays WHERE lease_until < now() - interval '1 minute'"
LEAVE = "DELETE FROM relays WHERE id = %s"
ALIVE = "SELECT id FROM relays WHERE lease_until > now() ORDER BY id"

_PART = """
    number, fence, from_beginning, xid::text::bigint AS xid, merchant_id, aggregate_id, aggregate_version,
    system_identifier = (SELECT here.system_identifier FROM pg_control_system() AS here) AS is_of_this_cluster
"""

# Only what the relay knows that it holds: a part that it took without being told ends up free.
RENEW = """
    UPDATE relay_parts AS part
    SET lease_until = now() + %s
    FROM unnest(%s::smallint[], %s::bigint[]) AS held (number, fence)
    WHERE part.number = held.number AND part.fence = held.fence AND part.owner = %s
    RETURNING part.number, part.fence
"""
FREE = "SELECT number FROM relay_parts WHERE owner = '' OR lease_until <= now() ORDER BY number"

TAKE = f"""
    UPDATE relay_parts
    SET owner = %s, fence = fence + 1, lease_until = now() + %s
    WHERE number IN (
        SELECT number
        FROM relay_parts
        WHERE number = ANY(%s) AND (owner = '' OR lease_until <= now())
        FOR UPDATE SKIP LOCKED)
    RETURNING {_PART}
"""

RELEASE = """
    UPDATE relay_parts AS part
    SET owner = ''
    FROM unnest(%s::smallint[], %s::bigint[]) AS held (number, fence)
    WHERE part.number = held.number AND part.fence = held.fence
"""

# Whatever is older than the oldest open transaction is there to be seen by everyone who looks from now on.
BEGIN_AGAIN = f"""
    UPDATE relay_parts AS part
    SET from_beginning = true, xid = pg_snapshot_xmin(pg_current_snapshot()), merchant_id = '',
        aggregate_id = '', aggregate_version = 0,
        system_identifier = (SELECT here.system_identifier FROM pg_control_system() AS here)
    FROM unnest(%s::smallint[], %s::bigint[]) AS held (owned, since)
    WHERE part.number = held.owned AND part.fence = held.since
    RETURNING {_PART}
"""

ADVANCE = """
    UPDATE relay_parts AS part
    SET from_beginning = done.from_beginning, xid = done.xid, merchant_id = done.merchant_id,
        aggregate_id = done.aggregate_id, aggregate_version = done.aggregate_version, lease_until = now() + %s
    FROM json_populate_recordset(NULL::relay_parts, %s) AS done
    WHERE part.number = done.number AND part.fence = done.fence
    RETURNING part.number
"""

HOLDS = "SELECT FROM relay_parts WHERE number = %s AND fence = %s FOR SHARE"


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where publishing has got to: by transaction, or ``from_beginning`` by merchant and aggregate."""

    from_beginning: bool
    xid: int
    merchant_id: str
    aggregate_id: str
    aggregate_version: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part while its relay holds it; ``fence`` says since when."""

    number: int
    fence: int
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who is alive, what is free, and the fences of the parts that the asking relay still holds."""

    alive: Sequence[str]
    free: Sequence[int]
    held: dict[int, int]


def part_of(merchant_id: str) -> int:
    """The number of the part that a merchant's events belong to."""
    return bucket_of(merchant_id) // BUCKETS_OF_PART


def buckets_of(part: int) -> range:
    """The buckets of a part."""
    return range(part * BUCKETS_OF_PART, (part + 1) * BUCKETS_OF_PART)


class RelayParts:
    """Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: Pool, relay: str, lease: timedelta) -> None:
        self._pool = pool
        self._relay = relay
        self._lease = lease

    def keep(self, parts: Iterable[Part], deadline: float) -> Sharing:
        """Renews the leases of parts that this relay holds, and looks around."""
        with self._pool.transaction(deadline) as connection:
            connection.execute(KEEP_ALIVE, (self._relay, self._lease))
            connection.execute(FORGET_DEAD)
            held = connection.execute(RENEW, (self._lease, *_fences(parts), self._relay)).fetchall()
            return Sharing(
                alive=[row["id"] for row in connection.execute(ALIVE)],
                free=[row["number"] for row in connection.execute(FREE)],
                held={row["number"]: row["fence"] for row in held},
            )

    def take(self, numbers: Sequence[int], deadline: float) -> list[Part]:
        """Those of them that were still free. Cursors of another cluster begin again at the beginning."""
        rows = self._pool.all(TAKE, (self._relay, self._lease, list(numbers)), deadline)
        known = [_part(row) for row in rows if row["is_of_this_cluster"]]
        foreign = [_part(row) for row in rows if not row["is_of_this_cluster"]]
        return known + self._begin_again(foreign, deadline)

    def release(self, parts: Iterable[Part], deadline: float) -> None:
        """Lets others take them at once."""
        self._pool.execute(RELEASE, _fences(parts), deadline)

    def leave(self, deadline: float) -> None:
        """This relay is gone."""
        self._pool.execute(LEAVE, (self._relay,), deadline)

    def advance(self, connection: PooledConnection, parts: Iterable[Part]) -> set[int]:
        """Writes the parts' cursors and renews their leases; the numbers of those that are still held."""
        rows = [{"number": part.number, "fence": part.fence} | asdict(part.cursor) for part in parts]
        return {row["number"] for row in connection.execute(ADVANCE, (self._lease, json.dumps(rows)))}

    def _begin_again(self, parts: Sequence[Part], deadline: float) -> list[Part]:
        if not parts:
            return []
        return [_part(row) for row in self._pool.all(BEGIN_AGAIN, _fences(parts), deadline)]


def holds(connection: PooledConnection, part: Part) -> bool:
    """Whether the part is still its relay's, and it will be until the transaction ends."""
    return connection.execute(HOLDS, (part.number, part.fence)).fetchone() is not None


def _fences(parts: Iterable[Part]) -> tuple[list[int], list[int]]:
    held = list(parts)
    return [part.number for part in held], [part.fence for part in held]


def _part(row: dict[str, Any]) -> Part:
    cursor = Cursor(
        row["from_beginning"],
        row["xid"],
        row["merchant_id"],
        row["aggregate_id"],
        row["aggregate_version"],
    )
    return Part(row["number"], row["fence"], cursor)
