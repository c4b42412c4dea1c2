"""The read model of daily totals, as its consumer writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from payflow.domain.analytics.daily_totals import MEASURES, Totals, TotalsKey
from payflow.domain.analytics.fold import Payment
from payflow.domain.folding.working_set import MerchantScoped
from payflow.store import rows
from payflow.store.database.statement import DictConnection, columns, unique

PAYMENTS = """
    SELECT item.*
    FROM unnest(%s::text[], %s::text[]) AS wanted (merchant_id, payment_intent_id)
    JOIN analytics_payments AS item USING (merchant_id, payment_intent_id)
"""

_STATE = Payment.__match_args__

WRITE_PAYMENTS = f"""
    INSERT INTO analytics_payments (merchant_id, payment_intent_id, {", ".join(_STATE)})
    SELECT merchant_id, payment_intent_id, {", ".join(_STATE)}
    FROM json_populate_recordset(NULL::analytics_payments, %s)
    ON CONFLICT (merchant_id, payment_intent_id) DO UPDATE
        SET {", ".join(f"{name} = excluded.{name}" for name in _STATE)}
"""

# In the order of the key, so that two members that meet wait for each other one way only.
ADD_TOTALS = f"""
    INSERT INTO analytics_daily_totals AS kept (
        merchant_id, day, currency, psp_account_id, {", ".join(MEASURES)})
    SELECT merchant_id, day, currency, psp_account_id, {", ".join(MEASURES)}
    FROM json_populate_recordset(NULL::analytics_daily_totals, %s)
    ORDER BY merchant_id, day, currency, psp_account_id
    ON CONFLICT (merchant_id, day, currency, psp_account_id) DO UPDATE
        SET {", ".join(f"{name} = kept.{name} + excluded.{name}" for name in MEASURES)}
"""

ADVANCE_FRESHNESS = """
    INSERT INTO analytics_freshness AS kept (merchant_id, as_of)
    SELECT merchant_id, as_of
    FROM unnest(%s::text[], %s::timestamptz[]) AS newest (merchant_id, as_of)
    ORDER BY merchant_id
    ON CONFLICT (merchant_id) DO UPDATE SET as_of = greatest(kept.as_of, excluded.as_of)
"""


def payments(connection: DictConnection, intents: Iterable[MerchantScoped]) -> dict[MerchantScoped, Payment]:
    """What is known of payments."""
    wanted = unique(intents)
    if not wanted:
        return {}
    found = connection.execute(PAYMENTS, columns(wanted))
    return {
        (row["merchant_id"], row["payment_intent_id"]): Payment(**{name: row[name] for name in _STATE})
        for row in found
    }


def write_payments(connection: DictConnection, changed: Mapping[MerchantScoped, Payment]) -> None:
    """What is known of payments from now on."""
    if changed:
        new = [
            payment_row(key, payment) for key, payment in sorted(changed.items(), key=lambda item: item[0])
        ]
        connection.execute(WRITE_PAYMENTS, [rows.to_json(new)])


def add_totals(connection: DictConnection, added: Mapping[TotalsKey, Totals]) -> None:
    """Adds to the totals."""
    if added:
        new = [totals_row(key, totals) for key, totals in added.items()]
        connection.execute(ADD_TOTALS, [rows.to_json(new)])


def advance_freshness(connection: DictConnection, newest: Mapping[str, datetime]) -> None:
    """Notes when each merchant's newest event happened."""
    if newest:
        connection.execute(ADVANCE_FRESHNESS, columns(list(newest.items())))


def payment_row(key: MerchantScoped, payment: Payment) -> dict[str, object]:
    """A row of analytics_payments."""
    merchant_id, intent_id = key
    return rows.row_of(payment, merchant_id=merchant_id, payment_intent_id=intent_id)


def totals_row(key: TotalsKey, totals: Totals) -> dict[str, object]:
    """A row of analytics_daily_totals."""
    return rows.row_of(key) | rows.row_of(totals)
