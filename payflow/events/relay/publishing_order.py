"""Makes sure that no event is published before the one before it in its aggregate."""

from __future__ import annotations

from payflow.domain.folding.working_set import MerchantScoped
from payflow.domain.stored_event import StoredEvent

AGGREGATES_MAX = 50_000


class PublishingOrder:
    """Remembers the last versions that went out, of so many aggregates; of others anything may come first."""

    def __init__(self) -> None:
        self._last: dict[MerchantScoped, int] = {}

    def admits(self, event: StoredEvent) -> bool:
        """Whether the event is the next one of its aggregate, or one that went out before."""
        aggregate = (event.merchant_id, event.aggregate_id)
        last = self._last.get(aggregate)
        if last is None or event.aggregate_version == last + 1:
            if len(self._last) >= AGGREGATES_MAX:
                self._last.clear()
            self._last[aggregate] = event.aggregate_version
            return True
        return event.aggregate_version <= last

    def forget(self, aggregate: MerchantScoped) -> None:
        """What is next of it is not known any more."""
        self._last.pop(aggregate, None)

    def forget_all(self) -> None:
        """Others may have published meanwhile."""
        self._last.clear()
