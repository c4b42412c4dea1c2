"""Seals what the ledger booked: one block of one chain at a time, each in a transaction of its own.

Writers are not asked for anything. What they booked is found by the events that their database transactions
left, in the order of these. A block holds all of one or several such transactions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from payflow.domain.proof import merkle
from payflow.domain.proof.block import BUCKETS_PER_PART, Block, BlockHeader
from payflow.domain.proof.canonical import VERSION
from payflow.domain.proof.keys import SigningKey
from payflow.store.database.statement import columns
from payflow.store.proof.chains import (
    BLOCK,
    MOVE,
    TAKE,
    Chain,
    block_parameters,
    move_parameters,
    taken_chain,
)
from payflow.wire.booked_transactions import BOOKS_ITSELF, CARRIES, booked_transaction_id, is_known

log = logging.getLogger(__name__)

# Whole database transactions, never a part of one: so the chain's place among them is one number.
EVENTS = """
    SELECT found.*
    FROM generate_series(%(first)s::int, %(last)s::int) AS wanted (bucket)
    CROSS JOIN LATERAL (
        SELECT merchant_id, aggregate_id, type, schema_version,
               CASE WHEN type = ANY(%(carries)s) THEN payload END AS payload,
               xid::text::bigint AS xid, occurred_at
        FROM events
        WHERE bucket = wanted.bucket AND xid > %(xid)s::text::xid8
          AND xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY events.xid
        FETCH FIRST %(limit)s ROWS WITH TIES
    ) AS found
    ORDER BY found.xid
    FETCH FIRST %(limit)s ROWS WITH TIES
"""

# The ledger itself, where events do not tell what is sealed: at the beginning, and in another cluster.
LEDGER = """
    SELECT booked.merchant_id, booked.id
    FROM merchants AS merchant
    CROSS JOIN LATERAL (
        SELECT merchant_id, id
        FROM transactions
        WHERE merchant_id = merchant.merchant_id
          AND (merchant_id, id) > (%(merchant_id)s, %(id)s)
        ORDER BY merchant_id, id
        LIMIT %(limit)s
    ) AS booked
    WHERE merchant.bucket BETWEEN %(first)s AND %(last)s AND merchant.merchant_id >= %(merchant_id)s
    ORDER BY merchant.merchant_id, booked.id
    LIMIT %(limit)s
"""

# PostgreSQL makes the bytes of docs/proof.md: record_send writes each value behind its type and length.
SEAL = f"""
    WITH booked AS (
        SELECT DISTINCT merchant_id COLLATE "C" AS merchant_id, id COLLATE "C" AS id
        FROM unnest(%b::text[], %b::text[]) AS booked (merchant_id, id)
    ), leaves AS MATERIALIZED (
        SELECT merchant_id, id, entry_count,
               row_number() OVER (ORDER BY merchant_id, id) - 1 AS position,
               sha256('\\x00'::bytea || record_send(ROW(
                   '{VERSION}'::text, merchant_id, id, entry_count, status <> 'POSTED', reference,
                   effective_at, expires_at, resolves_transaction_id, reverses_transaction_id, recorded_at,
                   entries.content))) AS leaf
        FROM booked
        JOIN transactions USING (merchant_id, id)
        CROSS JOIN LATERAL (
            SELECT coalesce(string_agg(record_send(ROW(
                       position, account_version, amount, posted_after, pending_debits_after,
                       pending_credits_after, releases, recorded_at, layer, currency, account_id)),
                   ''::bytea ORDER BY position), ''::bytea) AS content
            FROM entries
            WHERE merchant_id = booked.merchant_id AND transaction_id = booked.id
        ) AS entries
        WHERE NOT EXISTS (
            SELECT
            FROM sealed_transactions
            WHERE merchant_id = booked.merchant_id AND transaction_id = booked.id)
    ), sealed AS (
        INSERT INTO sealed_transactions (merchant_id, transaction_id, part, number, position, leaf)
        SELECT merchant_id, id, %s, %s, position, leaf
        FROM leaves
    )
    SELECT string_agg(leaf, ''::bytea ORDER BY position) AS leaves, count(*) AS transactions,
           sum(entry_count) AS entries
    FROM leaves
"""

# Few rows of large tables, looked up one by one.
SESSION = """
    SELECT set_config('application_name', 'payflow-sealer', false),
           set_config('TimeZone', 'UTC', false),
           set_config('client_encoding', 'UTF8', false),
           set_config('enable_seqscan', 'off', false),
           set_config('enable_hashjoin', 'off', false),
           set_config('enable_mergejoin', 'off', false),
           set_config('statement_timeout', '60s', false)
"""

CONNECT_TIMEOUT_S = 3
BATCH_EVENTS = 250
HASH_BYTES = 32

Transactions = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a step came to. ``until`` is when the last event that it looked at happened, where it did."""

    part: int
    transactions: int
    entries: int
    until: datetime | None


@dataclass(frozen=True, slots=True)
class _Found:
    """Transactions that may have to be sealed, and where the chain stands behind them."""

    transactions: Transactions
    chain: Chain
    until: datetime | None


class Sealer:
    """Any number of them share the chains. Raises psycopg.Error, after which it may be used again."""

    def __init__(
        self,
        conninfo: str,
        key: SigningKey,
        now: Callable[[], datetime],
        batch_events: int = BATCH_EVENTS,
    ) -> None:
        """A step looks at about ``batch_events`` events, and at all that one database transaction left."""
        self._conninfo = conninfo
        self._key = key
        self._now = now
        self._batch_events = batch_events
        self._connection: psycopg.Connection[dict[str, Any]] | None = None

    def close(self) -> None:
        """Lets go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def step(self) -> Sealed | None:
        """Moves the chain that is furthest behind; None where no chain that is free has anything to seal."""
        try:
            with self._connected().transaction():
                return self._move(self._connected())
        except psycopg.Error:
            self.close()
            raise

    def _connected(self) -> psycopg.Connection[dict[str, Any]]:
        if self._connection is None:
            self._connection = psycopg.connect(
                self._conninfo, autocommit=True, row_factory=dict_row, connect_timeout=CONNECT_TIMEOUT_S
            )
            self._connection.execute(SESSION)
        return self._connection

    def _move(self, connection: psycopg.Connection[dict[str, Any]]) -> Sealed | None:
        row = connection.execute(TAKE).fetchone()
        if row is None:
            return None
        chain = taken_chain(row)
        if chain.after is None:
            found = self._booked_by_events(connection, chain)
        else:
            found = self._booked_before(connection, chain, chain.after)
        block = self._seal(connection, found)
        after = found.chain
        if block is not None:
            connection.execute(BLOCK, block_parameters(block))
            after = replace(after, number=block.header.number, head=block.head, entries=block.header.entries)
        connection.execute(MOVE, move_parameters(after))
        if block is None:
            return Sealed(chain.part, 0, 0, found.until)
        return Sealed(chain.part, block.header.transaction_count, block.header.entry_count, found.until)

    def _booked_by_events(self, connection: psycopg.Connection[dict[str, Any]], chain: Chain) -> _Found:
        events = connection.execute(
            EVENTS,
            {**_buckets(chain), "xid": str(chain.xid), "limit": self._batch_events, "carries": CARRIES},
        ).fetchall()
        if not events:
            return _Found([], chain, None)
        booked = [(event["merchant_id"], _booked_by(event)) for event in events]
        pairs = zip(events, booked, strict=True)
        unknown = sorted({event["type"] for event, (_, booked_id) in pairs if booked_id is None})
        if unknown:
            log.warning(
                "events that cannot be read: the ledger is gone through, for what they may have booked",
                extra={"types": unknown, "part": chain.part},
            )
        after = ("", "") if unknown else None
        moved = replace(chain, xid=events[-1]["xid"], after=after)
        known = [(merchant_id, booked_id) for merchant_id, booked_id in booked if booked_id]
        return _Found(known, moved, events[-1]["occurred_at"])

    def _booked_before(
        self, connection: psycopg.Connection[dict[str, Any]], chain: Chain, after: tuple[str, str]
    ) -> _Found:
        parameters = {
            **_buckets(chain),
            "merchant_id": after[0],
            "id": after[1],
            "limit": self._batch_events,
        }
        rows = connection.execute(LEDGER, parameters).fetchall()
        booked = [(row["merchant_id"], row["id"]) for row in rows]
        is_last = len(booked) < self._batch_events
        return _Found(booked, replace(chain, after=None if is_last else booked[-1]), None)

    def _seal(self, connection: psycopg.Connection[dict[str, Any]], found: _Found) -> Block | None:
        """Writes the leaves; None where all of it was sealed before, or there is nothing."""
        if not found.transactions:
            return None
        chain = found.chain
        number = chain.number + 1
        row = connection.execute(
            SEAL, [*columns(found.transactions), chain.part, number], binary=True
        ).fetchone()
        if row is None or not row["transactions"]:
            return None
        leaves = row["leaves"]
        header = BlockHeader(
            part=chain.part,
            number=number,
            previous_head=chain.head,
            root=merkle.root([leaves[at : at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES)]),
            transaction_count=row["transactions"],
            entry_count=row["entries"],
            entries=chain.entries + row["entries"],
            system_identifier=chain.system_identifier,
            xid=chain.xid if chain.after is None else 0,
            sealed_at=self._now(),
        )
        head = header.head
        return Block(header, head, self._key.sign(head), self._key.key_id)


def _booked_by(event: Mapping[str, Any]) -> str | None:
    """The transaction that an event booked; empty where none, None where this release cannot tell."""
    if not is_known(event["type"], event["schema_version"]):
        return None
    if event["type"] in BOOKS_ITSELF:
        return str(event["aggregate_id"])
    if event["payload"] is None:
        return ""
    return booked_transaction_id(event["type"], event["payload"])


def _buckets(chain: Chain) -> dict[str, int]:
    first = chain.part * BUCKETS_PER_PART
    return {"first": first, "last": first + BUCKETS_PER_PART - 1}
