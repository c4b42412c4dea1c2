"""Looks for one order of everything that fits what was seen and when it was seen."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable, Sequence


def contradiction(
    invoked: Sequence[float], answered: Sequence[float], edges: Iterable[tuple[int, int]]
) -> list[int]:
    """Empty where there is an order in which every point takes effect between its request and its answer.

    ``edges`` are pairs of points of which the first comes before the second. Otherwise a chain of points,
    each before the next: either the last was answered before the first was asked for, or the chain goes
    round in a circle. Takes n log n time.
    """
    graph = _Graph(len(invoked), edges)
    ready = [(invoked[point], point) for point in graph.first_points()]
    heapq.heapify(ready)
    open_answers = sorted(range(len(answered)), key=answered.__getitem__, reverse=True)
    done = bytearray(len(invoked))
    for _ in range(len(invoked)):
        while done[open_answers[-1]]:
            open_answers.pop()
        earliest = open_answers[-1]
        # Only what was asked for before the earliest open answer can come next.
        if not ready or ready[0][0] > answered[earliest]:
            return graph.chain_to(earliest, done)
        _, point = heapq.heappop(ready)
        done[point] = 1
        for following in graph.released_by(point):
            heapq.heappush(ready, (invoked[following], following))
    return []


class _Graph:
    """Edges in flat arrays: the followers of a point are ``_to[_first[point]:_first[point + 1]]``."""

    def __init__(self, points: int, edges: Iterable[tuple[int, int]]) -> None:
        sources, targets = array("i"), array("i")
        self._first = array("q", bytes(8 * (points + 2)))
        self._waits_for = array("i", bytes(4 * points))
        for source, target in edges:
            sources.append(source)
            targets.append(target)
            self._first[source + 2] += 1
            self._waits_for[target] += 1
        for point in range(2, points + 2):
            self._first[point] += self._first[point - 1]
        self._to = array("i", bytes(4 * len(targets)))
        for source, target in zip(sources, targets, strict=True):
            self._to[self._first[source + 1]] = target
            self._first[source + 1] += 1

    def first_points(self) -> list[int]:
        """Those that wait for nothing."""
        return [point for point, count in enumerate(self._waits_for) if count == 0]

    def released_by(self, point: int) -> Iterable[int]:
        """Those that wait for nothing any more, now that ``point`` is done."""
        for following in self._followers(point):
            self._waits_for[following] -= 1
            if self._waits_for[following] == 0:
                yield following

    def chain_to(self, last: int, done: Sequence[int]) -> list[int]:
        """Points that are not done, each before the next, up to ``last``; it begins where nothing is waited
        for, or where it closes a circle.
        """
        before: dict[int, int] = {}
        for point in range(len(done)):
            if not done[point]:
                before.update(dict.fromkeys(self._followers(point), point))
        chain = [last]
        while (previous := before.get(chain[-1])) is not None:
            chain.append(previous)
            if chain.count(previous) > 1:
                break
        return chain[::-1]

    def _followers(self, point: int) -> Sequence[int]:
        return self._to[self._first[point] : self._first[point + 1]]
