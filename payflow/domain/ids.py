"""Prefixed, time-ordered identifiers that end in their merchant's slot.

``pi_`` + UUIDv7 (RFC 9562) in 26 characters of Crockford's base32 + 6 characters of slot. Lower case and
ordered byte by byte, so an id sorts by its time and routes to its merchant by itself.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from functools import lru_cache

from payflow.domain.instants import microseconds

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
UUID_CHARACTERS = 26
TIME_CHARACTERS = 10
SLOT_CHARACTERS = 6
SLOT_BITS = SLOT_CHARACTERS * 5
SLOT_PROBES = 8
BUCKETS = 256
_TAIL = UUID_CHARACTERS + SLOT_CHARACTERS
_GENERATED = re.compile(f"[a-z]{{2,8}}_[{ALPHABET}]{{{_TAIL}}}")
_PAIRS = [high + low for high in ALPHABET for low in ALPHABET]
_VALUES = {character: value for value, character in enumerate(ALPHABET)}


def _encode(number: int, characters: int) -> str:
    """An even number of characters, two at a time."""
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(5 * characters - 10, -1, -10)])


def _uuid7(unix_ms: int, randomness: bytes) -> int:
    bits = int.from_bytes(randomness[:10], "big")
    high, low = bits >> 62 & 0xFFF, bits & (1 << 62) - 1
    return unix_ms << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low


def command_id(now: datetime, entropy: bytes) -> str:
    """Identifies one command for good: a UUIDv7 from ``now`` and at least 10 bytes of ``entropy``."""
    return _encode(_uuid7(microseconds(now) // 1000, entropy), UUID_CHARACTERS)


def derive_id(prefix: str, command: str, slot: int | None, ordinal: int = 0) -> str:
    """The id of the ``ordinal``-th thing of a kind that a command makes; without a slot it is no merchant's.

    A pure function of the command's id, so that folding the command again makes the same ids.
    """
    digest = hashlib.sha256(f"{command}:{prefix}:{ordinal}".encode()).digest()
    unix_ms = _decode(command[:TIME_CHARACTERS])
    owner = "" if slot is None else _encode(slot, SLOT_CHARACTERS)
    return f"{prefix}_{_encode(_uuid7(unix_ms, digest), UUID_CHARACTERS)}{owner}"


def _decode(characters: str) -> int:
    number = 0
    for character in characters:
        number = number << 5 | _VALUES[character]
    return number


def slot_of(identifier: str) -> int | None:
    """The merchant's slot that a generated id ends in; None for anything that is not such an id."""
    if not _GENERATED.fullmatch(identifier):
        return None
    return _decode(identifier[-SLOT_CHARACTERS:])


def slot_candidates(merchant_id: str) -> tuple[int, ...]:
    """The slots a new merchant may take, best first; the first free one is taken and kept."""
    return tuple(
        int.from_bytes(hashlib.sha256(f"{probe}:{merchant_id}".encode()).digest()[:4], "big")
        >> 32 - SLOT_BITS
        for probe in range(SLOT_PROBES)
    )


@lru_cache(maxsize=10_000)
def bucket_of(merchant_id: str) -> int:
    """The merchant's share of the background work, 0 to 255, for workers and writer lanes to divide."""
    return hashlib.sha256(merchant_id.encode()).digest()[0]
