"""Reads sealed blocks, and the rows that were sealed in them, as of one instant: for who verifies them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.rows import tuple_row
from psycopg.types.datetime import TimestamptzBinaryLoader

from payflow.domain.proof.block import BUCKETS_PER_PART, PARTS, Block
from payflow.domain.proof.canonical import EntryRow, TransactionRow
from payflow.domain.proof.published_head import PublishedHead
from payflow.store.database.statement import columns
from payflow.store.proof.blocks import BLOCK_COLUMNS, block_of

# The heads that others keep, in this session alone, beside the blocks.
PUBLISHED = """
    CREATE TEMPORARY TABLE published_heads (
        part smallint NOT NULL, number bigint NOT NULL, head bytea NOT NULL, signature bytea NOT NULL,
        key_id text NOT NULL)
"""
COPY_PUBLISHED = "COPY pg_temp.published_heads (part, number, head, signature, key_id) FROM STDIN"
PUBLISHED_INDEX = "CREATE INDEX ON pg_temp.published_heads (part, number)"

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

COUNT = "SELECT coalesce(sum(entry_count), 0) FROM seal_blocks"

BLOCKS = f"SELECT {BLOCK_COLUMNS} FROM seal_blocks AS block WHERE part = %s ORDER BY number"

OTHER_HEADS = """
    SELECT number, published.head, published.signature, published.key_id
    FROM pg_temp.published_heads AS published
    LEFT JOIN seal_blocks AS block USING (part, number)
    WHERE part = %s AND block.head IS DISTINCT FROM published.head
    ORDER BY number
    LIMIT %s
"""

NEWER_BLOCKS = """
    SELECT count(*)
    FROM seal_blocks AS block
    LEFT JOIN (
        SELECT part, max(number) AS number FROM pg_temp.published_heads GROUP BY part
    ) AS published USING (part)
    WHERE block.number > coalesce(published.number, 0)
"""

LEAVES = """
    SELECT sealed.number, sealed.position, sealed.leaf, sealed.merchant_id, sealed.transaction_id,
           transaction.id IS NOT NULL, transaction.bucket, transaction.status,
           transaction.status <> 'POSTED' AND EXISTS (
               SELECT
               FROM transactions AS resolver
               WHERE resolver.merchant_id = transaction.merchant_id
                 AND resolver.resolves_transaction_id = transaction.id),
           transaction.merchant_id, transaction.id, transaction.entry_count, transaction.status <> 'POSTED',
           transaction.reference, transaction.effective_at, transaction.expires_at,
           transaction.resolves_transaction_id, transaction.reverses_transaction_id, transaction.recorded_at
    FROM sealed_transactions AS sealed
    LEFT JOIN transactions AS transaction
        ON transaction.merchant_id = sealed.merchant_id AND transaction.id = sealed.transaction_id
    WHERE sealed.part = %s AND sealed.number BETWEEN %s AND %s
    ORDER BY sealed.number, sealed.position
"""

ENTRIES = """
    SELECT entry.merchant_id, entry.transaction_id, entry.position, entry.account_version, entry.amount,
           entry.posted_after, entry.pending_debits_after, entry.pending_credits_after, entry.releases,
           entry.recorded_at, entry.layer, entry.currency, entry.account_id
    FROM unnest(%b::text[], %b::text[]) AS wanted (merchant_id, id)
    JOIN entries AS entry
        ON entry.merchant_id = wanted.merchant_id COLLATE "C"
        AND entry.transaction_id = wanted.id COLLATE "C"
    ORDER BY entry.merchant_id, entry.transaction_id, entry.position
"""

UNSEALED = """
    SELECT transaction.merchant_id, transaction.id
    FROM transactions AS transaction
    WHERE NOT EXISTS (
        SELECT
        FROM sealed_transactions AS sealed
        WHERE sealed.merchant_id = transaction.merchant_id AND sealed.transaction_id = transaction.id)
    ORDER BY transaction.merchant_id, transaction.id
"""

# Of a block or of a chain that there is none of: nobody would look at them with their block.
STRAY_LEAVES = f"""
    SELECT sealed.merchant_id, sealed.transaction_id, sealed.part, sealed.number
    FROM sealed_transactions AS sealed
    WHERE NOT EXISTS (
        SELECT
        FROM seal_blocks AS block
        WHERE block.part = sealed.part AND block.number = sealed.number
          AND block.part BETWEEN 0 AND {PARTS - 1})
    ORDER BY sealed.part, sealed.number, sealed.position
    LIMIT %s
"""

# Entries of a transaction that is sealed are looked at with it.
ORPHANS = """
    SELECT entry.merchant_id, entry.account_id, entry.account_version, entry.transaction_id
    FROM entries AS entry
    WHERE NOT EXISTS (
        SELECT
        FROM transactions AS transaction
        WHERE transaction.merchant_id = entry.merchant_id AND transaction.id = entry.transaction_id)
      AND NOT EXISTS (
        SELECT
        FROM sealed_transactions AS sealed
        WHERE sealed.merchant_id = entry.merchant_id AND sealed.transaction_id = entry.transaction_id)
    ORDER BY entry.merchant_id, entry.account_id, entry.account_version
    LIMIT %s
"""

CLUSTER = "SELECT system_identifier FROM pg_control_system()"

CURSOR = "SELECT system_identifier, xid::text, after_id IS NOT NULL FROM seal_chains WHERE part = %s"

# No database transaction that is to come has left any.
EVENTS_SINCE = f"""
    SELECT merchant_id, aggregate_id, type, schema_version, payload
    FROM events
    WHERE bucket BETWEEN %(part)s * {BUCKETS_PER_PART} AND %(part)s * {BUCKETS_PER_PART}
        + {BUCKETS_PER_PART - 1}
      AND xid > %(xid)s::text::xid8 AND xid < pg_snapshot_xmax(pg_current_snapshot())
"""

EVENTS_OF = """
    SELECT type, schema_version, payload
    FROM events
    WHERE merchant_id = %s AND aggregate_id = %s
    ORDER BY aggregate_version
"""

# Without an index: only asked about what was found to be wrong.
EVENTS_NAMING = """
    SELECT type, schema_version, payload
    FROM events
    WHERE merchant_id = %s AND position(convert_to(%s, 'UTF8') IN payload) > 0
    ORDER BY xid
"""

# What is read is what there is, whatever the session would be shown otherwise.
SESSION = (
    "SET TimeZone TO 'UTC'",
    "SET search_path TO pg_catalog, public, pg_temp",
    "SET row_security TO off",
)

FETCHED_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf as it is stored, with the row of transactions that it was made of; None where that is gone.

    ``is_resolved`` says that a transaction takes the hold back.
    """

    number: int
    position: int
    hash: bytes
    merchant_id: str
    transaction_id: str
    bucket: int
    status: str
    is_resolved: bool
    transaction: TransactionRow | None


class AnyInstant(TimestamptzBinaryLoader):
    """Reads an instant that no datetime can be, infinity say, as the last one; nothing is sealed at it."""

    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            return datetime.max.replace(tzinfo=UTC)


class SealedLedger:
    """One transaction's view of everything. Raises psycopg.Error."""

    def __init__(self, conninfo: str, published: Iterable[PublishedHead] = ()) -> None:
        """``published`` are the heads that others keep; they need not fit into memory."""
        self._connection = psycopg.connect(conninfo, autocommit=True, row_factory=tuple_row)
        self._connection.adapters.register_loader("timestamptz", AnyInstant)
        self.published = 0
        """How many published heads there are."""
        try:
            self._begin(published)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Lets go of it."""
        self._connection.close()

    def entry_count(self) -> int:
        """How many entries are sealed, as the blocks say."""
        return int(self._rows(COUNT)[0][0])

    def blocks(self, part: int) -> Iterator[Block]:
        """The blocks of a chain, in order."""
        for row in self._stream("blocks", BLOCKS, [part]):
            yield block_of(row)

    def other_heads(self, part: int, limit: int) -> list[tuple[int, bytes, bytes, str]]:
        """Published heads that no block has, by number: number, head, signature, key."""
        return self._rows(OTHER_HEADS, [part, limit])

    def newer_blocks(self) -> int:
        """How many blocks come after the last published head of their chain."""
        return int(self._rows(NEWER_BLOCKS)[0][0])

    def leaves(self, part: int, first: int, last: int) -> list[Leaf]:
        """Those of the blocks from number ``first`` to ``last``, in order."""
        return [_leaf(row) for row in self._rows(LEAVES, [part, first, last])]

    def entries(self, transactions: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[EntryRow]]:
        """The entries of each (merchant, transaction) that has any, by their positions."""
        found: dict[tuple[str, str], list[EntryRow]] = {}
        if transactions:
            for merchant_id, transaction_id, *entry in self._rows(ENTRIES, columns(transactions)):
                found.setdefault((merchant_id, transaction_id), []).append(EntryRow._make(entry))
        return found

    def unsealed(self) -> Iterator[tuple[str, str]]:
        """Transactions that are in no block: (merchant, id)."""
        yield from self._stream("unsealed", UNSEALED)

    def orphans(self, limit: int) -> list[tuple[str, str, int, str]]:
        """Entries of no transaction: merchant, account, account version, and whose they say they are."""
        return self._rows(ORPHANS, [limit])

    def stray_leaves(self, limit: int) -> list[tuple[str, str, int, int]]:
        """Leaves of blocks that are not there: merchant, transaction, part, number."""
        return self._rows(STRAY_LEAVES, [limit])

    def cluster(self) -> int:
        """The identifier of the cluster that this is."""
        return int(self._rows(CLUSTER)[0][0])

    def cursor(self, part: int) -> tuple[int | None, int, bool]:
        """Where the sealer says it is: cluster, database transaction, whether it goes through the ledger."""
        for cluster, xid, goes_through in self._rows(CURSOR, [part]):
            return cluster, int(xid), goes_through
        return None, 0, False

    def events_since(self, part: int, xid: int) -> Iterator[tuple[str, str, str, int, bytes]]:
        """Events of later database transactions, up to now: merchant, aggregate, type, layout, payload."""
        yield from self._stream("events", EVENTS_SINCE, {"part": part, "xid": str(xid)})

    def events_of(self, merchant_id: str, aggregate_id: str) -> list[tuple[str, int, bytes]]:
        """An aggregate's events: type, layout, payload."""
        return self._rows(EVENTS_OF, [merchant_id, aggregate_id])

    def events_naming(self, merchant_id: str, transaction_id: str) -> list[tuple[str, int, bytes]]:
        """Events with the transaction's id somewhere in them: type, layout, payload."""
        return self._rows(EVENTS_NAMING, [merchant_id, transaction_id])

    def _begin(self, published: Iterable[PublishedHead]) -> None:
        for setting in SESSION:
            self._connection.execute(setting.encode())
        self._connection.execute(PUBLISHED)
        with self._connection.cursor() as cursor, cursor.copy(COPY_PUBLISHED) as copy:
            for self.published, one in enumerate(published, 1):
                copy.write_row(
                    (one.header.part, one.header.number, one.header.head, one.signature, one.key_id)
                )
        self._connection.execute(PUBLISHED_INDEX)
        self._connection.execute(BEGIN)

    def _rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql.encode(), parameters, binary=True).fetchall()

    def _stream(self, name: str, sql: str, parameters: Any = ()) -> Iterator[tuple[Any, ...]]:
        with self._connection.cursor(name) as cursor:
            cursor.itersize = FETCHED_ROWS
            yield from cursor.execute(sql.encode(), parameters, binary=True)


def _leaf(row: tuple[Any, ...]) -> Leaf:
    number, position, leaf, merchant_id, transaction_id, is_there, bucket, status, is_resolved = row[:9]
    return Leaf(
        number,
        position,
        leaf,
        merchant_id,
        transaction_id,
        bucket or 0,
        status or "",
        bool(is_resolved),
        TransactionRow._make(row[9:]) if is_there else None,
    )
