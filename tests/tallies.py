"""The simplest documents that show what is lost and what is counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from payflow.store.redis.document_copy import Kind


@dataclass(frozen=True, slots=True)
class Tally:
    """How many observations there were; ``marks`` counts what was changed at once."""

    count: int = 0
    marks: int = 0


class TallyReducer:
    """Of two that parted the one that knows more counts, so that nothing counts twice."""

    def initial(self) -> Tally:
        return Tally()

    def fold(self, document: Tally, observations: Sequence[int]) -> Tally:
        return Tally(document.count + sum(observations), document.marks)

    def merge(self, one: Tally, other: Tally) -> Tally:
        return Tally(max(one.count, other.count), max(one.marks, other.marks))


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that was observed."""

    seen: tuple[str, ...] = ()


class NamesReducer:
    """Forgets nothing, ever."""

    def initial(self) -> Names:
        return Names()

    def fold(self, document: Names, observations: Sequence[str]) -> Names:
        return Names(tuple(sorted({*document.seen, *observations})))

    def merge(self, one: Names, other: Names) -> Names:
        return Names(tuple(sorted({*one.seen, *other.seen})))


TALLIES: Kind[Tally, int] = Kind(Tally, TallyReducer())
NAMES: Kind[Names, str] = Kind(Names, NamesReducer())
