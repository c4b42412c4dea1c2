"""What has come over a topic, held against what was committed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

EventKey = tuple[str, str, int]
"""Merchant, aggregate and version."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One record of the topic."""

    partition: int
    key: str
    event: EventKey


@dataclass(slots=True)
class Findings:
    """``duplicates`` is a count; what stands in the lists is wrong."""

    duplicates: int = 0
    missing: list[EventKey] = field(default_factory=list)
    never_committed: list[EventKey] = field(default_factory=list)
    out_of_order: list[EventKey] = field(default_factory=list)
    in_the_wrong_place: list[Arrival] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """What is wrong, with an example each."""
        lists: dict[str, list[Any]] = {
            "missing": self.missing,
            "never committed": self.never_committed,
            "out of order": self.out_of_order,
            "in the wrong place": self.in_the_wrong_place,
        }
        return [f"{len(found)} {name}, such as {found[0]}" for name, found in lists.items() if found]


def examine(arrivals: Iterable[Arrival], committed: Collection[EventKey]) -> Findings:
    """``arrivals`` are in the order of their partitions.

    Whoever remembers the last version of an aggregate, as an inbox does, must see 1, 2, 3 and so on: an event
    is out of order when it comes before the one before it has ever come.
    """
    findings = Findings()
    times: Counter[EventKey] = Counter()
    last: Counter[tuple[str, str]] = Counter()
    partitions: dict[tuple[str, str], int] = {}
    for arrival in arrivals:
        merchant_id, aggregate_id, version = arrival.event
        aggregate = merchant_id, aggregate_id
        times[arrival.event] += 1
        if version > last[aggregate] + 1:
            findings.out_of_order.append(arrival.event)
        last[aggregate] = max(last[aggregate], version)
        partition = partitions.setdefault(aggregate, arrival.partition)
        if (arrival.partition, arrival.key) != (partition, aggregate_id):
            findings.in_the_wrong_place.append(arrival)
    findings.duplicates = times.total() - len(times)
    findings.missing = sorted(set(committed) - times.keys())
    findings.never_committed = sorted(times.keys() - set(committed))
    return findings
