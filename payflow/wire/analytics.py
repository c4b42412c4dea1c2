"""Daily totals as callers see them."""

from __future__ import annotations

from payflow.domain.analytics.daily_totals import MEASURES, DailyTotals
from payflow.v1 import analytics_pb2 as pb


def daily_totals(found: DailyTotals) -> pb.DailyTotals:
    """A row's message."""
    key, totals = found.key, found.totals
    return pb.DailyTotals(
        merchant_id=key.merchant_id,
        date=key.day.isoformat(),
        currency=key.currency,
        psp_account_id=key.psp_account_id,
        net_amount=totals.net_amount,
        net_fee_amount=totals.net_fee_amount,
        **{name: getattr(totals, name) for name in MEASURES},
    )
