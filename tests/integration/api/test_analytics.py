"""AnalyticsService, over gRPC, HTTP and `payflow analytics`, behind a worker that relays and adds up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from payflow.v1 import analytics_pb2 as pb
from server.cli.main import main
from tests.http_payments import HttpCaller
from tests.payments import Caller
from tests.stack import Process, Stack
from tests.waiting import wait_until

ROUTE = "/v1/analytics/daily_totals"
# More than these tests take: all of them are about one day.
LEFT_OF_THE_DAY = timedelta(seconds=90)
BAD = {
    "from_date": "merchant_id=m",
    "from_date ": "merchant_id=m&from_date=20260131",
    "from_date  ": "merchant_id=m&from_date=2026-02-30",
    "to_date": "merchant_id=m&from_date=2026-01-02&to_date=2026-01-01",
    "to_date ": "merchant_id=m&from_date=2026-01-01&to_date=2027-01-02",
    "to_date  ": "merchant_id=m&from_date=2026-01-01&to_date=tomorrow",
    "currency": "merchant_id=m&from_date=2026-01-01&currency=usd",
    "psp_account_id": "merchant_id=m&from_date=2026-01-01&psp_account_id=A",
    "page_size": "merchant_id=m&from_date=2026-01-01&page_size=501",
    "page_token": "merchant_id=m&from_date=2026-01-01&page_token=abc",
    "merchant_id": "from_date=2026-01-01",
}
HEAD = [
    *("DATE", "CURRENCY", "PSP", "ACCOUNT", "AUTHORIZED", "CAPTURED", "REFUNDED", "NET", "NET", "FEES"),
    *("CREATED", "FAILED"),
]


@pytest.fixture(scope="module", autouse=True)
def worker(stack: Stack) -> Iterator[Process]:
    """Relays to a stream of its own."""
    topic = f"events-{uuid4().hex}"
    kinds = ("-m", "server.cli.main", "worker", "relay", "analytics")
    process = stack.start("worker", kinds, KAFKA_TOPIC_PAYMENTS=topic)
    yield process
    assert process.terminate() == 0


@pytest.fixture(scope="module")
def shop(address: str) -> Iterator[Caller]:
    """A merchant with payments in two currencies that have been added up."""
    wait_until(lambda: today(LEFT_OF_THE_DAY) == today())
    with Caller(address, f"shop_{uuid4().hex}") as caller:
        captured = caller.captured(10_000)
        caller.refund(captured.id, 4_000)
        last = caller.create(500, "JPY")
        caller.authorize(last.id, "pm_card_declined")
        wait_until(lambda: any(row.failed_count for row in totals(caller).daily_totals))
        yield caller


def today(later: timedelta = timedelta(0)) -> str:
    return (datetime.now(UTC) + later).date().isoformat()


def totals(caller: Caller, **more: Any) -> pb.GetDailyTotalsResponse:
    """Of today, unless the rest of the request says otherwise."""
    request: dict[str, Any] = {"merchant_id": caller.merchant_id, "from_date": today()} | more
    reply = caller.reply(caller.analytics.GetDailyTotals, pb.GetDailyTotalsRequest(**request))
    assert isinstance(reply.message, pb.GetDailyTotalsResponse)
    return reply.message


def test_the_totals_say_what_happened_and_how_fresh_they_are(shop: Caller) -> None:
    found = totals(shop)
    created, failed, dollars_created, dollars = found.daily_totals
    assert [row.currency for row in found.daily_totals] == ["JPY", "JPY", "USD", "USD"]
    assert (created.psp_account_id, created.created_count, created.created_amount) == ("", 1, 500)
    assert (failed.psp_account_id, failed.failed_count, failed.failed_amount) == ("simulator", 1, 500)
    assert dollars_created.created_amount == 10_000
    assert (dollars.authorized_amount, dollars.captured_amount, dollars.refunded_amount) == (
        10_000,
        10_000,
        4_000,
    )
    assert (dollars.net_amount, dollars.fee_amount, dollars.net_fee_amount) == (6_000, 300, 300)
    age = datetime.now(UTC) - found.as_of.ToDatetime(UTC)
    assert age.total_seconds() > 0


def test_pages_and_filters_cover_the_same_rows(shop: Caller) -> None:
    whole = list(totals(shop).daily_totals)
    paged: list[pb.DailyTotals] = []
    token = ""
    while True:
        page = totals(shop, page_size=1, page_token=token)
        paged += page.daily_totals
        token = page.next_page_token
        if not token:
            break
    assert paged == whole
    assert list(totals(shop, currency="JPY").daily_totals) == whole[:2]
    assert list(totals(shop, psp_account_id="simulator").daily_totals) == [whole[1], whole[3]]
    assert not totals(shop, from_date="2026-01-01", to_date="2026-01-02").daily_totals


def test_a_merchant_without_events_has_no_totals(address: str) -> None:
    with Caller(address, f"nobody_{uuid4().hex}") as nobody:
        found = totals(nobody)
    assert found == pb.GetDailyTotalsResponse()


@pytest.mark.parametrize("field", BAD)
def test_a_refusal_names_the_field(http: HttpCaller, field: str) -> None:
    reply = http.get(f"{ROUTE}?{BAD[field]}")
    assert reply.error == (400, "INVALID_ARGUMENT", "VALIDATION_FAILED")
    assert reply.fields == [field.strip()]


def test_the_gateway_answers_the_same(http: HttpCaller, shop: Caller) -> None:
    reply = http.get(f"{ROUTE}?merchant_id={shop.merchant_id}&from_date={today()}&currency=USD")
    assert reply.status == 200
    created, taken = reply.json["daily_totals"]
    assert (created["date"], created["created_count"]) == (today(), 1)
    assert (taken["psp_account_id"], taken["net_amount"]) == ("simulator", 6000)


def test_the_command_shows_amounts_with_their_decimals(address: str, shop: Caller) -> None:
    arguments = ["analytics", "daily", shop.merchant_id, "--address", address]
    shown = CliRunner().invoke(main, arguments)
    assert shown.exit_code == 0, shown.output
    head, *rows, as_of = [line.split() for line in shown.stdout.splitlines()]
    assert head == HEAD
    assert rows[-1][1:] == ["USD", "simulator", "100.00", "100.00", "40.00", "60.00", "3.00", "0", "0"]
    assert as_of[:2] == ["as", "of"]
    whole = CliRunner().invoke(main, [*arguments, "--json"])
    assert len(json.loads(whole.stdout)["daily_totals"]) == 4
