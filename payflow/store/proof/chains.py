"""How far the chains of sealed blocks are: taken by one sealer at a time, and moved on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from payflow.domain.proof.block import BUCKETS_PER_PART, Block

# The chain that is furthest behind, of those with something to seal that nobody else is at. A transaction in
# the database that is older than all that still run hides none that may yet commit before it.
TAKE = f"""
    SELECT chain.part, chain.number, chain.head, chain.entries, chain.xid::text::bigint AS xid,
           chain.after_merchant_id, chain.after_id,
           chain.system_identifier IS NOT DISTINCT FROM control.system_identifier AS is_at_home,
           control.system_identifier,
           pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest_running_xid
    FROM pg_control_system() AS control
    CROSS JOIN seal_chains AS chain
    WHERE chain.system_identifier IS DISTINCT FROM control.system_identifier
       OR chain.after_id IS NOT NULL
       OR EXISTS (
           SELECT
           FROM generate_series(
               chain.part * {BUCKETS_PER_PART}, chain.part * {BUCKETS_PER_PART} + {BUCKETS_PER_PART - 1}
           ) AS wanted (bucket)
           CROSS JOIN LATERAL (
               SELECT
               FROM events
               WHERE bucket = wanted.bucket AND xid > chain.xid
                 AND xid < pg_snapshot_xmin(pg_current_snapshot())
               LIMIT 1
           ) AS waiting)
    ORDER BY chain.xid, chain.part
    LIMIT 1
    FOR UPDATE OF chain SKIP LOCKED
"""

BLOCK = """
    INSERT INTO seal_blocks (
        part, number, previous_head, root, transaction_count, entry_count, entries, system_identifier, xid,
        sealed_at, head, signature, key_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::text::xid8, %s, %s, %s, %s)
"""

MOVE = """
    UPDATE seal_chains
    SET number = %s, head = %s, entries = %s, system_identifier = %s, xid = %s::text::xid8,
        after_merchant_id = %s, after_id = %s
    WHERE part = %s
"""


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a chain is: its last block, and what is sealed.

    ``after`` is the transaction behind which the ledger has yet to be gone through, where that is so.
    """

    part: int
    number: int
    head: bytes
    entries: int
    system_identifier: int
    xid: int
    after: tuple[str, str] | None


def taken_chain(row: Mapping[str, Any]) -> Chain:
    """A row of TAKE.

    Transactions of another cluster are numbered differently. There the ledger is gone through from its
    beginning, and events are followed from the oldest transaction that may not have committed by now.
    """
    place = row["part"], row["number"], row["head"], row["entries"], row["system_identifier"]
    if not row["is_at_home"]:
        return Chain(*place, row["oldest_running_xid"] - 1, ("", ""))
    after = None if row["after_id"] is None else (row["after_merchant_id"], row["after_id"])
    return Chain(*place, row["xid"], after)


def move_parameters(chain: Chain) -> tuple[Any, ...]:
    """What MOVE needs to leave a chain at another place."""
    return (
        chain.number,
        chain.head,
        chain.entries,
        chain.system_identifier,
        str(chain.xid),
        *(chain.after or (None, None)),
        chain.part,
    )


def block_parameters(block: Block) -> tuple[Any, ...]:
    """What BLOCK needs to write a block down."""
    header = block.header
    return (
        header.part,
        header.number,
        header.previous_head,
        header.root,
        header.transaction_count,
        header.entry_count,
        header.entries,
        header.system_identifier,
        str(header.xid),
        header.sealed_at,
        block.head,
        block.signature,
        block.key_id,
    )
