"""The platform's fee for a capture."""

from __future__ import annotations

from dataclasses import dataclass

BPS = 10_000


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """``bps`` hundredths of a percent of the captured amount plus ``fixed`` minor units."""

    bps: int = 300
    fixed: int = 0


def fee_for(captured_amount: int, schedule: FeeSchedule) -> int:
    """The fee in minor units, rounded half to even and never more than what was captured."""
    return kept_of(captured_amount, schedule.bps, schedule.fixed)


def kept_of(amount: int, bps: int, fixed: int) -> int:
    """``bps`` of an amount and ``fixed``, rounded half to even and never more than the amount."""
    quotient, remainder = divmod(amount * bps, BPS)
    rounds_up = 2 * remainder > BPS or (2 * remainder == BPS and quotient % 2 == 1)
    return min(quotient + rounds_up + fixed, amount)
