"""AnalyticsService over the read model."""

from __future__ import annotations

from datetime import date
from typing import Protocol

import grpc

from payflow.commands import merchant_scope
from payflow.domain import fields
from payflow.domain.analytics.daily_totals import DAYS_MAX, DailyReport, DailyTotals, TotalsFilter
from payflow.domain.currency import exponent
from payflow.domain.errors import invalid_field
from payflow.v1 import analytics_pb2 as pb
from payflow.v1 import analytics_pb2_grpc
from payflow.wire.analytics import daily_totals
from payflow.wire.timestamps import timestamp
from server.rpc.call import current_call
from server.rpc.services import page_token
from server.rpc.services.calls import scoped_merchant_id

Position = tuple[date, str, str]
BEFORE_ALL: Position = (date.min, "", "")


class Reader(Protocol):
    """Fulfilled by payflow.store.consumers.analytics_reader.AnalyticsReader."""

    def daily_totals(
        self, wanted: TotalsFilter, after: Position, limit: int, deadline: float
    ) -> DailyReport: ...


class Analytics(analytics_pb2_grpc.AnalyticsServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def GetDailyTotals(
        self, request: pb.GetDailyTotalsRequest, context: grpc.ServicerContext
    ) -> pb.GetDailyTotalsResponse:
        call = current_call()
        request.merchant_id = merchant_scope.required(scoped_merchant_id(call, request.merchant_id))
        wanted = _filter(request)
        query = page_token.query_of(request)
        size = page_token.page_size(request.page_size)
        position = page_token.decode(request.page_token, query)
        found = self._reader.daily_totals(wanted, _after(position), size + 1, call.deadline)
        page = found.rows[:size]
        more = page_token.encode(_position(page[-1]), query) if len(found.rows) > size else ""
        return pb.GetDailyTotalsResponse(
            daily_totals=map(daily_totals, page), next_page_token=more, as_of=timestamp(found.as_of)
        )


def _filter(request: pb.GetDailyTotalsRequest) -> TotalsFilter:
    first = _day("from_date", request.from_date)
    last = _day("to_date", request.to_date) if request.to_date else first
    if not 0 <= (last - first).days < DAYS_MAX:
        raise invalid_field("to_date", f"must be from_date or one of the {DAYS_MAX - 1} days behind it")
    if request.currency:
        exponent(request.currency)
    if request.psp_account_id:
        fields.psp_account_id(request.psp_account_id, "psp_account_id")
    return TotalsFilter(request.merchant_id, first, last, request.currency, request.psp_account_id)


def _day(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # What Python reads besides, such as 20260131, is not what the contract says.
    if day is None or day.isoformat() != text:
        raise invalid_field(name, "must be a day such as 2026-01-31")
    return day


def _position(row: DailyTotals) -> str:
    return f"{row.key.day.isoformat()}:{row.key.currency}:{row.key.psp_account_id}"


def _after(position: str) -> Position:
    if not position:
        return BEFORE_ALL
    day, currency, psp_account_id = position.split(":")
    return date.fromisoformat(day), currency, psp_account_id
