"""Which events of a batch are new to a consumer, which it has had, and which have to wait."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from payflow.domain.folding.working_set import MerchantScoped
from payflow.events.published_event import PublishedEvent


@dataclass(slots=True)
class SortedOut:
    """``fresh`` are to be applied, in order; ``versions`` are the last of their aggregates.

    ``waiting`` are behind a dead letter of their aggregate. A gap is an event that comes without the one
    before it, which the source has no more.
    """

    fresh: list[PublishedEvent] = field(default_factory=list)
    waiting: list[PublishedEvent] = field(default_factory=list)
    versions: dict[MerchantScoped, int] = field(default_factory=dict)
    duplicates: int = 0
    gaps: int = 0


def aggregate_of(event: PublishedEvent) -> MerchantScoped:
    """What the event is numbered in."""
    return event.merchant_id, event.aggregate_id


def sort_out(
    events: Iterable[PublishedEvent],
    applied: Mapping[MerchantScoped, int],
    held_back: Container[MerchantScoped],
) -> SortedOut:
    """``applied`` are the last versions that took effect, ``held_back`` the aggregates with dead letters."""
    found = SortedOut()
    for event in events:
        aggregate = aggregate_of(event)
        last = found.versions.get(aggregate, applied.get(aggregate, 0))
        if event.aggregate_version <= last:
            found.duplicates += 1
        elif aggregate in held_back:
            found.waiting.append(event)
        else:
            found.gaps += event.aggregate_version > last + 1
            found.versions[aggregate] = event.aggregate_version
            found.fresh.append(event)
    return found
