"""The parts that this relay holds, renewed, given back and taken so that all relays have their share."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence

from payflow.events.relay import metrics
from payflow.events.relay.sharing import share_of
from payflow.store.relay.parts import Part, RelayParts, Sharing

RENEW_EVERY_S = 1.0
DATABASE_TIMEOUT_S = 2.0


class Leases:
    """Of one relay, for one thread. ``now_s`` is time.monotonic."""

    def __init__(self, store: RelayParts, relay: str, now_s: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._relay = relay
        self._now_s = now_s
        self._held: dict[int, Part] = {}
        self._sharing = Sharing((), (), {})
        self._due_s = 0.0
        self.hands = 0
        """Grows each time that this relay gets a part."""

    @property
    def held(self) -> Sequence[Part]:
        """What this relay may publish."""
        return tuple(self._held.values())

    def keep(self) -> None:
        """Renews the leases when that is due, and finds out what was lost."""
        if self._now_s() < self._due_s:
            return
        self._due_s = self._now_s() + RENEW_EVERY_S
        self._sharing = self._store.keep(self.held, _deadline())
        self.lose(part.number for part in self.held if self._sharing.held.get(part.number) != part.fence)

    def balance(self) -> None:
        """Gives back what is too much and takes what is free, nothing of which is on its way."""
        share = share_of(self._relay, self._sharing.alive)
        if len(self._held) > share:
            self._release(self.held[share:])
        elif len(self._held) < share and self._sharing.free:
            self._take(self._sharing.free[: share - len(self._held)])
        metrics.PARTS.set(len(self._held))

    def move(self, parts: Iterable[Part]) -> None:
        """Notes how far parts have got."""
        self._held |= {part.number: part for part in parts}

    def lose(self, numbers: Iterable[int]) -> None:
        """Somebody else has them."""
        for number in list(numbers):
            self._held.pop(number, None)

    def lose_all(self) -> None:
        """Everything has changed hands; what is free is looked for at once."""
        self._held.clear()
        self._due_s = 0.0

    def close(self) -> None:
        """Gives everything back, so that others need not wait for the leases to end."""
        self._release(self.held)
        self._store.leave(_deadline())

    def _release(self, parts: Collection[Part]) -> None:
        self._store.release(parts, _deadline())
        self.lose(part.number for part in parts)

    def _take(self, numbers: Sequence[int]) -> None:
        taken = self._store.take(numbers, _deadline())
        self.move(taken)
        self.hands += bool(taken)
        self._sharing = Sharing(self._sharing.alive, (), self._sharing.held)


def _deadline() -> float:
    return time.monotonic() + DATABASE_TIMEOUT_S
