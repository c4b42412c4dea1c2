"""How many calls are on their way at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from payflow.domain.errors import PayFlowError, Reason

_RETRY_AFTER_S = 1


class InFlight:
    """At most ``most`` calls; used on one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """A call while it lasts. Raises OVERLOADED for one too many."""
        if self._calls >= self._most:
            raise PayFlowError(Reason.OVERLOADED, "too many calls at once", retry_after_s=_RETRY_AFTER_S)
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
