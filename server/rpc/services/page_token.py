"""Opaque page tokens that hold a position and belong to one query."""

from __future__ import annotations

import base64
import binascii
import hashlib

from payflow.domain.errors import PayFlowError, invalid_field

DIGEST_BYTES = 8
TOKEN_CHARACTERS_MAX = 512
PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 500


def page_size(asked: int, default: int = PAGE_SIZE_DEFAULT) -> int:
    """How many items a page holds; 0 asks for the default."""
    if not 0 <= asked <= PAGE_SIZE_MAX:
        raise invalid_field("page_size", f"must be from 1 to {PAGE_SIZE_MAX}, or absent")
    return asked or default


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
    if position and not position.isdecimal():
        raise _refusal()
    return int(position or 0)


def _refusal() -> PayFlowError:
    return invalid_field("page_token", "must be the next_page_token of the same query")


def _digest(query: tuple[str, ...]) -> bytes:
    return hashlib.sha256("\x00".join(query).encode()).digest()[:DIGEST_BYTES]
