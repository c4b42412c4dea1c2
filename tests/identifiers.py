"""Identifiers that look right and are nobody's."""

from __future__ import annotations

from payflow.domain.ids import SLOT_CHARACTERS


def never_given(identifier: str) -> str:
    """One of the time and the merchant of ``identifier``, which is given to something, and not the same."""
    last = -SLOT_CHARACTERS - 1
    other = "1" if identifier[last] == "0" else "0"
    return identifier[:last] + other + identifier[-SLOT_CHARACTERS:]
