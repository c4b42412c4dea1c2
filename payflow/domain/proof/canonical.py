"""The bytes of a transaction that are hashed, version 1; docs/proof.md specifies them.

They are what PostgreSQL's record_send makes of the stored rows. Here they are put together by hand, so that
who verifies shares nothing with who sealed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

VERSION = "payflow.transaction.v1"

# PostgreSQL's numbers of its types.
BOOLEAN, BYTEA, INT8, INT2, TEXT, TIMESTAMPTZ = 16, 17, 20, 21, 25, 1184
ABSENT = -1

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_HEADER = struct.Struct(">i")
_FIELD = struct.Struct(">ii")
# Everything of an entry but its texts, each value behind its type and length.
_ENTRY = struct.Struct(">i iih iiq iiq iiq iiq iiq ii? iiq".replace(" ", ""))
_ENTRY_FIELDS = 11
_TRANSACTION_FIELDS = 12


class EntryRow(NamedTuple):
    """A row of entries, without the two columns that say which transaction it is of."""

    position: int
    account_version: int
    amount: int
    posted_after: int
    pending_debits_after: int
    pending_credits_after: int
    releases: bool
    recorded_at: datetime
    layer: str
    currency: str
    account_id: str


class TransactionRow(NamedTuple):
    """A row of transactions, without what follows from others.

    ``is_hold`` says that it was placed as a hold: whether it is resolved by now, another transaction says.
    The bucket follows from the merchant.
    """

    merchant_id: str
    id: str
    entry_count: int
    is_hold: bool
    reference: str | None
    effective_at: datetime | None
    expires_at: datetime | None
    resolves_transaction_id: str | None
    reverses_transaction_id: str | None
    recorded_at: datetime


def canonical(transaction: TransactionRow, entries: Iterable[EntryRow]) -> bytes:
    """The bytes of a transaction; its entries come in the order of their positions."""
    fields = (
        _text(VERSION),
        _text(transaction.merchant_id),
        _text(transaction.id),
        _field(INT2, struct.pack(">h", transaction.entry_count)),
        _field(BOOLEAN, struct.pack(">?", transaction.is_hold)),
        _text(transaction.reference),
        _instant(transaction.effective_at),
        _instant(transaction.expires_at),
        _text(transaction.resolves_transaction_id),
        _text(transaction.reverses_transaction_id),
        _instant(transaction.recorded_at),
        _field(BYTEA, b"".join(map(_entry, entries))),
    )
    return _HEADER.pack(_TRANSACTION_FIELDS) + b"".join(fields)


def _entry(row: EntryRow) -> bytes:
    numbers = _ENTRY.pack(
        _ENTRY_FIELDS,
        *(INT2, 2, row.position),
        *(INT8, 8, row.account_version),
        *(INT8, 8, row.amount),
        *(INT8, 8, row.posted_after),
        *(INT8, 8, row.pending_debits_after),
        *(INT8, 8, row.pending_credits_after),
        *(BOOLEAN, 1, row.releases),
        *(TIMESTAMPTZ, 8, (row.recorded_at - EPOCH) // MICROSECOND),
    )
    return numbers + _text(row.layer) + _text(row.currency) + _text(row.account_id)


# Accounts, currencies and layers come again and again.
@lru_cache(maxsize=10_000)
def _text(value: str | None) -> bytes:
    return _field(TEXT, None if value is None else value.encode())


def _instant(at: datetime | None) -> bytes:
    return _field(TIMESTAMPTZ, None if at is None else struct.pack(">q", (at - EPOCH) // MICROSECOND))


def _field(type_number: int, content: bytes | None) -> bytes:
    if content is None:
        return _FIELD.pack(type_number, ABSENT)
    return _FIELD.pack(type_number, len(content)) + content
