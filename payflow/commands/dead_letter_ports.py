"""What operators need of dead letters from outside."""

from __future__ import annotations

from typing import Protocol

from payflow.domain.dead_letter import DeadLetterFilter, DeadLetterView, LetterKey


class DeadLetters(Protocol):
    """Reads dead letters. Deadlines are in seconds of time.monotonic."""

    def find(self, key: LetterKey, deadline: float) -> DeadLetterView | None:
        """One letter with its headers and value, or None."""
        ...

    def page(
        self, wanted: DeadLetterFilter, after: LetterKey | None, limit: int, deadline: float
    ) -> list[DeadLetterView]:
        """Letters that match, by merchant, consumer, aggregate and version, behind one of them."""
        ...
