"""Blocks of sealed transactions, chained by their heads; docs/proof.md specifies the bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from payflow.domain.ids import BUCKETS, bucket_of
from payflow.domain.instants import instant_of, microseconds

VERSION = b"payflow.block.v1"
PARTS = 16
BUCKETS_PER_PART = BUCKETS // PARTS
NUMBER_MAX = 2**63 - 1
NOTHING_BEFORE = bytes(32)
"""Stands for the head before the first block's."""

_HEADER = struct.Struct(">16s H Q 32s 32s I I Q q Q q".replace(" ", ""))


def part_of(merchant_id: str) -> int:
    """The chain that a merchant's transactions are in."""
    return bucket_of(merchant_id) // BUCKETS_PER_PART


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """What a block's head is the hash of.

    ``entries`` counts those of the chain up to the block's end. ``xid`` is the last database transaction
    whose ledger transactions are in the chain, in the cluster that ``system_identifier`` names.
    """

    part: int
    number: int
    previous_head: bytes
    root: bytes
    transaction_count: int
    entry_count: int
    entries: int
    system_identifier: int
    xid: int
    sealed_at: datetime

    def to_bytes(self) -> bytes:
        """Each field in its place; numbers are big-endian. Raises ValueError where one has no room in it."""
        try:
            return self._packed()
        except struct.error as error:
            raise ValueError("not the numbers of a block's header") from error

    def _packed(self) -> bytes:
        return _HEADER.pack(
            VERSION,
            self.part,
            self.number,
            self.previous_head,
            self.root,
            self.transaction_count,
            self.entry_count,
            self.entries,
            self.system_identifier,
            self.xid,
            microseconds(self.sealed_at),
        )

    @property
    def head(self) -> bytes:
        """Names the block and, with it, everything that is sealed before it. Raises as ``to_bytes``."""
        return sha256(self.to_bytes()).digest()


@dataclass(frozen=True, slots=True)
class Block:
    """A block as it is stored: ``head`` is what it says its head is."""

    header: BlockHeader
    head: bytes
    signature: bytes
    key_id: str


def header_from_bytes(content: bytes) -> BlockHeader:
    """The header that the bytes are of. Raises ValueError where they are none's."""
    if len(content) != _HEADER.size or not content.startswith(VERSION):
        raise ValueError("not the bytes of a block's header")
    _, part, number, previous_head, root, *counts, system_identifier, xid, sealed_at_us = _HEADER.unpack(
        content
    )
    transaction_count, entry_count, entries = counts
    if part >= PARTS or number > NUMBER_MAX:
        raise ValueError("not the header of a block that there can be")
    try:
        sealed_at = instant_of(sealed_at_us)
    except OverflowError as error:
        raise ValueError("sealed at an instant that no calendar has") from error
    return BlockHeader(
        part,
        number,
        previous_head,
        root,
        transaction_count,
        entry_count,
        entries,
        system_identifier,
        xid,
        sealed_at,
    )
