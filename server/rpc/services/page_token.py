"""Opaque page tokens that hold a position and belong to one query."""

from __future__ import annotations

import base64
import binascii
import hashlib

from google.protobuf.message import Message

from payflow.domain.errors import PayFlowError, invalid_field
from payflow.domain.ledger.booking import INT64_MAX

DIGEST_BYTES = 8
TOKEN_CHARACTERS_MAX = 512
PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 500


def page_size(asked: int, default: int = PAGE_SIZE_DEFAULT, most: int = PAGE_SIZE_MAX) -> int:
    """How many items a page holds; 0 asks for the default."""
    if not 0 <= asked <= most:
        raise invalid_field("page_size", f"must be from 1 to {most}, or absent")
    return asked or default


def query_of(request: Message) -> str:
    """The query that a request asks a page of: all its fields but those that say which page."""
    query = type(request)()
    query.CopyFrom(request)
    query.ClearField("page_size")
    query.ClearField("page_token")
    return f"{request.DESCRIPTOR.full_name}:{query.SerializeToString(deterministic=True).hex()}"


def encode(position: str, *query: str) -> str:
    """A token for what follows ``position`` in the listing that ``query`` describes."""
    return base64.urlsafe_b64encode(_digest(query) + position.encode()).decode().rstrip("=")


def decode(token: str, *query: str) -> str:
    """The position; empty for an empty token. Refuses a token of another query."""
    if not token:
        return ""
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise _refusal()
    try:
        content = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        position = content[DIGEST_BYTES:].decode()
    except (binascii.Error, ValueError):
        raise _refusal() from None
    if content[:DIGEST_BYTES] != _digest(query) or not position or "\x00" in position:
        raise _refusal()
    return position


def decode_number(token: str, *query: str) -> int:
    """The position in a listing that is ordered by a number; 0 for an empty token."""
    position = decode(token, *query)
    return numbers(position, 1)[0] if position else 0


def numbers(position: str, count: int) -> list[int]:
    """The ``count`` numbers of 64 bits that a position consists of, with colons in between."""
    parts = position.split(":")
    if len(parts) != count or not all(part.isdecimal() and int(part) <= INT64_MAX for part in parts):
        raise _refusal()
    return [int(part) for part in parts]


def _refusal() -> PayFlowError:
    return invalid_field("page_token", "must be a page token of the same query")


def _digest(query: tuple[str, ...]) -> bytes:
    return hashlib.sha256("\x00".join(query).encode()).digest()[:DIGEST_BYTES]
