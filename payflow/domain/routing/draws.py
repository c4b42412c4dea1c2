"""Randomness that follows from a payment's id: the same draws for the same payment, on every machine."""

from __future__ import annotations

import hashlib

SEED_BITS = 63
DRAW_BITS = 53


def seed_of(intent_id: str) -> int:
    """The seed of everything that is drawn for a payment intent, from 0 to 2^63 - 1."""
    return _hashed(intent_id, SEED_BITS)


def draw(seed: int, purpose: str) -> float:
    """A number from 0 to below 1; draws for different purposes have nothing to do with each other."""
    return _hashed(f"{seed}:{purpose}", DRAW_BITS) / (1 << DRAW_BITS)


def _hashed(text: str, bits: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 64 - bits
