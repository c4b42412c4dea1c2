"""What happened to a merchant's payments on a day (UTC), by currency and PSP account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

DAYS_MAX = 366


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts, and amounts in minor units of one currency.

    Each thing counts on the day on which it happened, so a refund takes nothing from the day of its payment.
    """

    created_count: int = 0
    created_amount: int = 0
    authorized_count: int = 0
    authorized_amount: int = 0
    captured_count: int = 0
    captured_amount: int = 0
    fee_amount: int = 0
    canceled_count: int = 0
    canceled_amount: int = 0
    failed_count: int = 0
    failed_amount: int = 0
    failed_over_count: int = 0
    failed_over_amount: int = 0
    refunded_count: int = 0
    refunded_amount: int = 0
    reversed_captures_count: int = 0
    reversed_captures_amount: int = 0
    reversed_fee_amount: int = 0
    reversed_refunds_count: int = 0
    reversed_refunds_amount: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, name) + getattr(other, name) for name in MEASURES))

    @property
    def net_amount(self) -> int:
        """What was taken from payers and not given back, fees included."""
        kept = self.captured_amount - self.reversed_captures_amount
        return kept - self.refunded_amount + self.reversed_refunds_amount

    @property
    def net_fee_amount(self) -> int:
        """What the platform kept of it."""
        return self.fee_amount - self.reversed_fee_amount


MEASURES: tuple[str, ...] = Totals.__match_args__


@dataclass(frozen=True, slots=True)
class TotalsKey:
    """What a row of totals is about; without a PSP account it is of payments that had none yet."""

    merchant_id: str
    day: date
    currency: str
    psp_account_id: str


@dataclass(frozen=True, slots=True)
class DailyTotals:
    """One row."""

    key: TotalsKey
    totals: Totals


@dataclass(frozen=True, slots=True)
class TotalsFilter:
    """Which rows are wanted, both days included; an empty currency or PSP account is any."""

    merchant_id: str
    from_date: date
    to_date: date
    currency: str = ""
    psp_account_id: str = ""


@dataclass(frozen=True, slots=True)
class DailyReport:
    """Rows by day, currency and PSP account; ``as_of`` is when the newest event in the model happened."""

    rows: list[DailyTotals]
    as_of: datetime | None
