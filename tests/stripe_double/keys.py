"""What Stripe does with idempotency keys, which localstripe ignores: docs.stripe.com/api/idempotent_requests.

The first request with a key is kept with its answer, an error or not, once its execution has begun. An
equal one is answered the same for 24 hours, another one is refused, and so is one that comes while the
first is at work. Which of these two is looked at first Stripe does not say; ``compares_first`` decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tests.stripe_double.answers import Answer, error

KEPT_FOR = timedelta(hours=24)

MISMATCH = error(400, "idempotency_error", is_kept=False)
IN_USE = error(409, "idempotency_error", is_kept=False, code="idempotency_key_in_use")


@dataclass(slots=True)
class Entry:
    """A key's first request, and its answer once there is one."""

    request: str
    since: datetime
    answer: Answer | None = None


class Keys:
    """The keys of one Stripe account."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.compares_first = True
        self._now = now
        self._entries: dict[str, Entry] = {}

    def begin(self, key: str, request: str) -> Answer | None:
        """The answer where the key has one already; otherwise None, and the key is the request's."""
        entry = self._entries.get(key)
        if entry is None or (entry.answer is not None and self._now() >= entry.since + KEPT_FOR):
            self._entries[key] = Entry(request, self._now())
            return None
        if entry.request != request and (self.compares_first or entry.answer is not None):
            return MISMATCH
        if entry.answer is None:
            return IN_USE
        return replace(entry.answer, is_replayed=True)

    def finish(self, key: str, answer: Answer) -> None:
        """Keeps the answer, or frees the key where no execution began."""
        if answer.is_kept:
            self._entries[key].answer = answer
        else:
            del self._entries[key]

    def clear(self) -> None:
        """Forgets all of them."""
        self._entries.clear()
