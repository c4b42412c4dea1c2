"""Re-checks what is stored of aggregates against their events, a slice at a time, each as of one instant.

Folds the events as a replay does. What only a newer release can read is passed over, and so is an aggregate
of more than EVENTS_MAX events; `payflow replay` looks at those too.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from payflow.domain.folding.working_set import MerchantScoped
from payflow.domain.stored_event import StoredEvent
from payflow.events.replay.rebuilding import NumberingBrokenError, RebuildingError, TableRow, rebuilt
from payflow.store.database.read_pool import Ask, ReadPool
from payflow.store.replay import state_reader
from payflow.store.replay.audit_reader import Finding, Slice, Subject
from payflow.store.replay.fresh_tables import Difference
from payflow.wire.events import BY_NAME

EVENTS_MAX = 10_000

History = list[StoredEvent]

# An intent's rows are looked for even where no event speaks of them.
OF_INTENTS = ("payment_intents", "refunds", "psp_attempts")


class StateAudit:
    """Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def slice(self, after: tuple[Any, ...], limit: int, deadline: float) -> Slice:
        """The aggregates behind ``after``, empty at the beginning, that have about ``limit`` events."""
        with self._pool.instant(deadline) as ask:
            found, last = _whole_aggregates(ask, after, limit)
            checked = _Checked()
            for history in found:
                checked.look_at(history)
            differences = state_reader.differences(ask, checked.owners, checked.rows)
        findings = checked.findings + [_finding(one) for one in differences]
        return Slice(sum(map(len, found)), last, findings)


def _whole_aggregates(ask: Ask, after: tuple[Any, ...], limit: int) -> tuple[list[History], tuple[Any, ...]]:
    """Aggregates with all of their events, and the key of the last one; that is empty at the end."""
    events = state_reader.events_behind(ask, after or ("", ""), limit)
    found = [list(history) for _, history in groupby(events, _aggregate)]
    if len(events) < limit:
        return found, ()
    cut_off = _aggregate(events[-1])
    if len(found) > 1:
        del found[-1]
        return found, _aggregate(found[-1][0])
    whole = state_reader.events_of(ask, cut_off, EVENTS_MAX + 1)
    return ([whole] if len(whole) <= EVENTS_MAX else []), cut_off


class _Checked:
    """What the events of a slice come to."""

    def __init__(self) -> None:
        self.rows: list[TableRow] = []
        self.owners: dict[str, list[MerchantScoped]] = {table: [] for table in OF_INTENTS}
        self.findings: list[Finding] = []

    def look_at(self, history: History) -> None:
        """Rebuilds one aggregate; one whose events cannot be folded is a finding."""
        if any(stored.type not in BY_NAME for stored in history):
            return
        merchant_id, aggregate_id = _aggregate(history[0])
        try:
            made = list(rebuilt(history))
        except NumberingBrokenError as error:
            self._note(merchant_id, aggregate_id, f"its events have a gap: {error}")
        except RebuildingError:
            return
        except Exception as error:  # whatever events that nobody would write lead to
            self._note(merchant_id, aggregate_id, f"its events make no sense: {type(error).__name__}")
        else:
            self.rows += made
            if any(table == "payment_intents" for table, _ in made):
                for table in OF_INTENTS:
                    self.owners[table].append((merchant_id, aggregate_id))

    def _note(self, merchant_id: str, aggregate_id: str, what: str) -> None:
        self.findings.append(Finding(Subject.EVENTS, merchant_id, aggregate_id, what))


def _finding(difference: Difference) -> Finding:
    merchant_id, *key = difference.key.split(" ")
    return Finding(Subject.EVENTS, merchant_id, " ".join(key), f"{difference.table}: {_told(difference)}")


def _told(difference: Difference) -> str:
    """Names columns and not what is in them, which is nobody's business in a log."""
    if difference.stored is None:
        return "the row is missing"
    if difference.fresh is None:
        return "the row is in no event"
    return f"{', '.join(name for name, _, _ in difference.columns)}: not what the events say"


def _aggregate(stored: StoredEvent) -> MerchantScoped:
    return stored.merchant_id, stored.aggregate_id
