"""Who of several relays has how many parts."""

from __future__ import annotations

from collections.abc import Collection

from payflow.store.relay.parts import PARTS


def share_of(relay: str, alive: Collection[str]) -> int:
    """How many parts are the relay's: all shares together are all parts, and differ by one at most."""
    ranked = sorted({relay, *alive})
    share, rest = divmod(PARTS, len(ranked))
    return share + (ranked.index(relay) < rest)
