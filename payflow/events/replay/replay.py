"""Rebuilds everything that events say, the read models too, beside what is stored."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from payflow.domain.stored_event import StoredEvent
from payflow.events.consumers import daily_totals
from payflow.events.replay.rebuilding import rebuilt
from payflow.events.replay.rebuilding_totals import rebuilt_totals
from payflow.store.replay.fresh_tables import FreshTables


def rebuild(tables: FreshTables, events: Iterable[StoredEvent] | None = None) -> None:
    """Fills empty tables; ``events`` are those of ``tables``, where somebody watches them pass.

    A read model follows the events later, so it is rebuilt from those that it says it has taken. Raises
    RebuildingError.
    """
    projections = rebuilt(tables.events() if events is None else events)
    tables.fill(chain(projections, rebuilt_totals(tables.events_taken_by(daily_totals.CONSUMER))))
