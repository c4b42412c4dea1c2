"""Rebuilds the read model of daily totals from the events that its consumer has taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import msgspec

from payflow.domain.analytics.daily_totals import Totals, TotalsKey
from payflow.domain.analytics.fold import FOLDED, Facts
from payflow.domain.analytics.gathering import Gathering
from payflow.domain.folding.working_set import MerchantScoped
from payflow.domain.stored_event import StoredEvent
from payflow.events.replay.rebuilding import TableRow
from payflow.store.consumers import analytics
from payflow.wire.events import from_payload


def rebuilt_totals(events: Iterable[StoredEvent]) -> Iterator[TableRow]:
    """Rows with their tables; ``events`` come aggregate by aggregate, each in order.

    Raises NewerEventError.
    """
    totals: dict[TotalsKey, Totals] = {}
    folded = (stored for stored in events if stored.type in FOLDED)
    for _, history in groupby(folded, _aggregate):
        gathering = Gathering(totals=totals)
        for stored in history:
            event = from_payload(stored.type, stored.schema_version, stored.payload)
            facts = msgspec.convert(event, Facts, from_attributes=True)
            gathering.add(*_aggregate(stored), stored.type, facts, stored.occurred_at)
        for key, payment in gathering.payments.items():
            yield "analytics_payments", analytics.payment_row(key, payment)
    for row, added in totals.items():
        yield "analytics_daily_totals", analytics.totals_row(row, added)


def _aggregate(stored: StoredEvent) -> MerchantScoped:
    return stored.merchant_id, stored.aggregate_id
