"""The consumer ``analytics``: adds events up to the read model of daily totals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from payflow.domain.analytics.fold import FOLDED, Facts
from payflow.domain.analytics.gathering import Gathering
from payflow.events.consumer.sorting_out import aggregate_of
from payflow.events.published_event import PublishedEvent
from payflow.store.consumers import analytics
from payflow.store.database.statement import DictConnection
from payflow.wire.upcasting import UPCASTING

CONSUMER = "analytics"

_facts = msgspec.json.Decoder(Facts).decode


def add_up(connection: DictConnection, events: Sequence[PublishedEvent]) -> None:
    """Fulfils payflow.events.consumer.applying.Handler.

    Raises msgspec.DecodeError for data that makes no sense, and NewerEventError.
    """
    folded = [event for event in events if event.type in FOLDED]
    for event in folded:
        UPCASTING.require_known(event.type, event.schema_version)
    gathering = Gathering(analytics.payments(connection, map(aggregate_of, folded)))
    for event in folded:
        facts = _facts(event.data)
        gathering.add(event.merchant_id, event.aggregate_id, event.type, facts, event.occurred_at)
    analytics.write_payments(connection, gathering.payments)
    analytics.add_totals(connection, gathering.totals)
    analytics.advance_freshness(connection, _newest(events))


def _newest(events: Sequence[PublishedEvent]) -> dict[str, datetime]:
    newest: dict[str, datetime] = {}
    for event in events:
        known = newest.get(event.merchant_id, event.occurred_at)
        newest[event.merchant_id] = max(known, event.occurred_at)
    return newest
