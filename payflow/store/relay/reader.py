"""What is to be published next, in the order in which it has to be.

Transactions end in another order than they begin in, so nothing is read that is not older than every
transaction still open: what has been read can then never be joined by something that belongs before it.
Serializable writers give the versions of an aggregate to transactions in the order of their xid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from payflow.domain.folding.working_set import MerchantScoped
from payflow.domain.stored_event import StoredEvent
from payflow.store.database.pool import Pool
from payflow.store.relay.parts import BUCKETS_OF_PART, Cursor, Part

_EVENT = """merchant_id, aggregate_id, aggregate_version, type, schema_version, payload, occurred_at, actor,
           correlation_id, causation_id, traceparent"""

# Merchants choose ids of their own, so only the merchant may set two events of a transaction apart. The index
# ends before that: the few that have all the rest in common are sorted.
_BUCKET = f"""
    (SELECT {_EVENT}, xid
    FROM events
    WHERE bucket = part.number * {BUCKETS_OF_PART} + %d
      AND (xid, aggregate_id, aggregate_version, merchant_id)
          > (part.xid, part.aggregate_id, part.aggregate_version, part.merchant_id)
      AND xid < (SELECT pg_snapshot_xmin(pg_current_snapshot()))
    ORDER BY xid, aggregate_id, aggregate_version, merchant_id)
"""

# As many rows of ``%s`` as have fewer than so many bytes before them; one at least.
_BOUNDED = """
    SELECT *
    FROM (
        SELECT *, sum(octet_length(payload)) OVER (
            ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
        FROM ({rows} ORDER BY {order} LIMIT %s) AS page
    ) AS measured
    WHERE bytes_before IS NULL OR bytes_before < %s
"""

# Each bucket's range of the index is in order, so they are merged: no more is read of each than is wanted.
_BUCKETS = "UNION ALL".join(_BUCKET.replace("%d", str(bucket)) for bucket in range(BUCKETS_OF_PART))

NEXT = f"""
    SELECT part.number, event.merchant_id, event.aggregate_id, event.aggregate_version, event.type,
           event.schema_version, event.payload, event.occurred_at, event.actor, event.correlation_id,
           event.causation_id, event.traceparent, event.xid::text::bigint AS xid
    FROM unnest(%s::smallint[], %s::text[]::xid8[], %s::text[], %s::bigint[], %s::text[])
        AS part (number, xid, aggregate_id, aggregate_version, merchant_id)
    CROSS JOIN LATERAL (
        {_BOUNDED.format(rows=_BUCKETS, order="xid, aggregate_id, aggregate_version, merchant_id")}
    ) AS event
    ORDER BY part.number, event.xid, event.aggregate_id, event.aggregate_version, event.merchant_id
"""

MERCHANTS = """
    SELECT merchant_id
    FROM merchants
    WHERE merchant_id >= %s AND bucket BETWEEN %s AND %s
    ORDER BY merchant_id
    LIMIT %s
"""

_OF_MERCHANT = f"""
    SELECT {_EVENT}
    FROM events
    WHERE merchant_id = %s AND (aggregate_id, aggregate_version) > (%s, %s)
"""

OF_MERCHANT = f"""
    {_BOUNDED.format(rows=_OF_MERCHANT, order="aggregate_id, aggregate_version")}
    ORDER BY aggregate_id, aggregate_version
"""

VERSIONS = f"""
    SELECT {_EVENT}
    FROM events
    WHERE merchant_id = %s AND aggregate_id = %s AND aggregate_version = ANY(%s)
    ORDER BY aggregate_version
"""

MERCHANTS_MAX = 100
# Behind every aggregate's id.
END_OF_AGGREGATES = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event on its way; once it is published, ``cursor`` is where its part has got to."""

    part: int
    stored: StoredEvent
    cursor: Cursor


class RelayReader:
    """Reads at most ``events_max`` events of a part, and few that have ``bytes_max`` before them."""

    def __init__(self, pool: Pool, events_max: int, bytes_max: int) -> None:
        self._pool = pool
        self._events_max = events_max
        self._bytes_max = bytes_max

    def next(self, parts: Sequence[Part], deadline: float) -> list[Outgoing]:
        """What is behind the parts' cursors and has settled, part by part, each in order."""
        cursors = [part.cursor for part in parts]
        parameters = (
            [part.number for part in parts],
            [str(cursor.xid) for cursor in cursors],
            [cursor.aggregate_id for cursor in cursors],
            [cursor.aggregate_version for cursor in cursors],
            [cursor.merchant_id for cursor in cursors],
            self._events_max,
            self._bytes_max,
        )
        return [_by_transaction(row) for row in self._pool.all(NEXT, parameters, deadline)]

    def from_beginning(self, part: Part, deadline: float) -> tuple[list[Outgoing], Cursor]:
        """The next page of all that is there; the cursor is where the part has got to behind the page."""
        at = part.cursor
        first_bucket = part.number * BUCKETS_OF_PART
        buckets = (first_bucket, first_bucket + BUCKETS_OF_PART - 1)
        rows = self._pool.all(MERCHANTS, (at.merchant_id, *buckets, MERCHANTS_MAX), deadline)
        merchants = [row["merchant_id"] for row in rows]
        for merchant_id in merchants:
            is_next = merchant_id == at.merchant_id
            after = (at.aggregate_id, at.aggregate_version) if is_next else ("", 0)
            limits = (self._events_max, self._bytes_max)
            page = self._pool.all(OF_MERCHANT, (merchant_id, *after, *limits), deadline)
            if page:
                found = [_by_key(part.number, at.xid, row) for row in page]
                return found, found[-1].cursor
        if len(merchants) < MERCHANTS_MAX:
            return [], Cursor(False, at.xid, "", "", 0)
        return [], Cursor(True, at.xid, merchants[-1], END_OF_AGGREGATES, 0)

    def versions(
        self, aggregate: MerchantScoped, versions: Sequence[int], deadline: float
    ) -> list[StoredEvent]:
        """Those events of an aggregate, in order."""
        return [_stored(row) for row in self._pool.all(VERSIONS, (*aggregate, list(versions)), deadline)]


def _by_transaction(row: dict[str, Any]) -> Outgoing:
    cursor = Cursor(False, row["xid"], row["merchant_id"], row["aggregate_id"], row["aggregate_version"])
    return Outgoing(row["number"], _stored(row), cursor)


def _by_key(part: int, xid: int, row: dict[str, Any]) -> Outgoing:
    stored = _stored(row)
    cursor = Cursor(True, xid, stored.merchant_id, stored.aggregate_id, stored.aggregate_version)
    return Outgoing(part, stored, cursor)


def _stored(row: dict[str, Any]) -> StoredEvent:
    return StoredEvent(
        row["merchant_id"],
        row["aggregate_id"],
        row["aggregate_version"],
        row["type"],
        row["schema_version"],
        row["payload"],
        row["occurred_at"],
        row["actor"],
        row["correlation_id"],
        row["causation_id"],
        row["traceparent"],
    )
