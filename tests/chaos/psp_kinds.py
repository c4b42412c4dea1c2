"""The two PSPs of a simulation, and what tells PSPs apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class PspKind:
    """What one PSP is like.

    ``looks_up``: it can be asked what became of a key, and what it shuts out stays out; otherwise it cancels
    what it finds under a key, some time later. ``finishes_later``: every capture, cancel and refund is taken
    in, and told by a notice. ``names_keys``: its notices of these name the key. ``names_first_key``: those of
    an authorization name the key that it was opened under, however often its payer comes back.
    ``tells_expiry``: it says how long an authorization holds, which is ``expires_after``. ``key_window`` is
    how long it remembers a key; None leaves that to the run.
    """

    name: str
    looks_up: bool
    finishes_later: bool
    names_keys: bool
    names_first_key: bool
    tells_expiry: bool
    expires_after: timedelta
    key_window: timedelta | None


NORTH = PspKind(
    "north",
    looks_up=True,
    finishes_later=False,
    names_keys=False,
    names_first_key=True,
    tells_expiry=True,
    expires_after=timedelta(hours=6),
    key_window=None,
)
# As Adyen: https://docs.adyen.com/development-resources/api-idempotency.
SOUTH = PspKind(
    "south",
    looks_up=False,
    finishes_later=True,
    names_keys=True,
    names_first_key=False,
    tells_expiry=False,
    expires_after=timedelta(days=3),
    key_window=timedelta(days=7),
)
