"""Adds up what many events make of the daily totals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from payflow.domain.analytics.daily_totals import Totals, TotalsKey
from payflow.domain.analytics.fold import Facts, Payment, fold
from payflow.domain.folding.working_set import MerchantScoped


@dataclass(slots=True)
class Gathering:
    """``known`` are the payments as they were; what changes is in ``payments`` and ``totals``."""

    known: Mapping[MerchantScoped, Payment] = field(default_factory=dict)
    payments: dict[MerchantScoped, Payment] = field(default_factory=dict)
    totals: dict[TotalsKey, Totals] = field(default_factory=dict)

    def add(
        self, merchant_id: str, intent_id: str, event_type: str, facts: Facts, occurred_at: datetime
    ) -> None:
        """Takes one more event of a type in FOLDED, in the order of its payment's events."""
        key = merchant_id, intent_id
        step = fold(self.payments.get(key) or self.known.get(key), event_type, facts)
        if step is None:
            return
        self.payments[key] = step.payment
        if step.totals is not None:
            day = occurred_at.astimezone(UTC).date()
            row = TotalsKey(merchant_id, day, step.payment.currency, step.psp_account_id)
            self.totals[row] = self.totals.get(row, Totals()) + step.totals
