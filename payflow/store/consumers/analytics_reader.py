"""Reads the daily totals; never the tables that payments are written to."""

from __future__ import annotations

from datetime import date

from payflow.domain.analytics.daily_totals import (
    MEASURES,
    DailyReport,
    DailyTotals,
    Totals,
    TotalsFilter,
    TotalsKey,
)
from payflow.store.database.columns import columns_of
from payflow.store.database.read_pool import ReadPool
from payflow.store.rows import Row

PAGE = f"""
    SELECT {columns_of(TotalsKey, "item")}, {columns_of(Totals, "item")}
    FROM analytics_daily_totals AS item
    WHERE merchant_id = %s AND day BETWEEN %s AND %s
      AND (%s = '' OR currency = %s)
      AND (%s = '' OR psp_account_id = %s)
      AND (day, currency, psp_account_id) > (%s, %s, %s)
    ORDER BY day, currency, psp_account_id
    LIMIT %s
"""

AS_OF = "SELECT as_of FROM analytics_freshness WHERE merchant_id = %s"

Position = tuple[date, str, str]


class AnalyticsReader:
    """Pages of totals. Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def daily_totals(self, wanted: TotalsFilter, after: Position, limit: int, deadline: float) -> DailyReport:
        """Rows behind ``after`` (day, currency, PSP account), all of one instant."""
        page = (
            wanted.merchant_id,
            wanted.from_date,
            wanted.to_date,
            *(wanted.currency,) * 2,
            *(wanted.psp_account_id,) * 2,
            *after,
            limit,
        )
        found, freshness = self._pool.snapshot([(PAGE, page), (AS_OF, (wanted.merchant_id,))], deadline)
        as_of = freshness[0]["as_of"] if freshness else None
        return DailyReport([_daily_totals(row) for row in found], as_of)


def _daily_totals(row: Row) -> DailyTotals:
    key = TotalsKey(**{name: row[name] for name in TotalsKey.__match_args__})
    return DailyTotals(key, Totals(**{name: row[name] for name in MEASURES}))
