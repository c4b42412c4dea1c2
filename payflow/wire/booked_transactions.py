"""Which ledger transaction an event booked, without reading the rest of it."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from payflow.domain.ledger.events import TransactionHeld, TransactionPosted
from payflow.v1.events_pb2 import BookedTransaction
from payflow.wire.events import BY_DOMAIN, BY_NAME
from payflow.wire.upcasting import UPCASTING

_FIELD = "transaction"

BOOKS_ITSELF = frozenset(BY_DOMAIN[one].name for one in (TransactionPosted, TransactionHeld))
"""Types of events whose aggregate is the transaction that they booked."""

_MESSAGES = {
    name: one.message
    for name, one in BY_NAME.items()
    if _FIELD in one.message.DESCRIPTOR.fields_by_name
    and one.message.DESCRIPTOR.fields_by_name[_FIELD].message_type is BookedTransaction.DESCRIPTOR
}

CARRIES = sorted(_MESSAGES.keys() - BOOKS_ITSELF)
"""The other types of events that may have booked one."""


def is_known(name: str, version: int) -> bool:
    """Whether this release knows what an event of that type and layout has booked."""
    return name in BY_NAME and version <= UPCASTING.newest(name)


def booked_transaction_id(name: str, payload: bytes) -> str | None:
    """The transaction that an event of one of these types booked; empty where it booked none.

    None where the bytes make no sense, so that nobody knows.
    """
    try:
        event: Any = _MESSAGES[name].FromString(payload)
    except DecodeError:
        return None
    return str(event.transaction.id)
