"""How documents of breakers come about, for whoever keeps and shares them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from payflow.domain.breaker.observing import observe
from payflow.domain.breaker.state import Breaker, BreakerRules, Phase, Seen

_CAUTION = {Phase.CLOSED: 0, Phase.HALF_OPEN: 1, Phase.OPEN: 2}


@dataclass(frozen=True, slots=True)
class BreakerReducer:
    """``random`` gives numbers from 0 to 1."""

    rules: BreakerRules
    random: Callable[[], float]

    def initial(self) -> Breaker:
        """A breaker of which nothing is known is closed."""
        return Breaker()

    def fold(self, document: Breaker, observations: Iterable[Seen]) -> Breaker:
        """The breaker behind these calls."""
        return observe(document, self.rules, observations, self.random())

    def merge(self, one: Breaker, other: Breaker) -> Breaker:
        """One of two that went their own ways: the one that changed its phase last.

        Of two that changed at once it is the more cautious. Whose turn it is does not matter, nor how often.
        """
        return max(one, other, key=_precedence)


def _precedence(breaker: Breaker) -> tuple[int, int, int, str]:
    # The text only makes the choice between equals the same everywhere.
    return breaker.changed_at_us, _CAUTION[breaker.phase], breaker.failures_in_a_row, repr(breaker)
