"""`payflow analytics`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from payflow.domain.analytics.fold import FOLDED
from payflow.events.consumers import daily_totals
from payflow.events.replay.rebuilding_totals import rebuilt_totals
from payflow.store.replay.analytics_rebuild import AnalyticsRebuild
from payflow.v1 import analytics_pb2 as pb
from server.cli.amounts import major_units
from server.cli.output import print_json, print_table, time_text
from server.cli.process_settings import process_settings
from server.cli.remote import analytics_service, call, remote_options
from server.config import required_database_url

PAGE_ROWS = 500
AMOUNTS = (
    "authorized_amount",
    "captured_amount",
    "refunded_amount",
    "net_amount",
    "net_fee_amount",
)
COUNTS = ("created_count", "failed_count")
NAMES = ("AUTHORIZED", "CAPTURED", "REFUNDED", "NET", "NET FEES", "CREATED", "FAILED")
COLUMNS = ("DATE", "CURRENCY", "PSP ACCOUNT", *NAMES)
DAY = click.DateTime(["%Y-%m-%d"])


@click.group("analytics")
def command() -> None:
    """See what happened to a merchant's payments, added up.

    \b
    Examples:
      payflow analytics daily shop_1
      payflow analytics daily shop_1 --from 2026-01-01 --to 2026-01-31 --currency EUR
      payflow analytics rebuild
    """


@command.command("daily")
@click.argument("merchant_id", metavar="MERCHANT")
@click.option("--from", "first", type=DAY, metavar="DATE", help="The first day, UTC.  [default: today]")
@click.option("--to", "last", type=DAY, metavar="DATE", help="The last day, UTC.  [default: the first]")
@click.option("--currency", default="", metavar="CODE", help="Only this currency.")
@click.option("--psp-account", "psp_account_id", default="", metavar="ACCOUNT", help="Only this PSP account.")
@remote_options
def daily(
    *,
    merchant_id: str,
    first: datetime | None,
    last: datetime | None,
    currency: str,
    psp_account_id: str,
    address: str | None,
    as_json: bool,
) -> None:
    """Show the totals of each day, by currency and PSP account.

    Each thing counts on the day on which it happened. NET is what was taken and not given back, fees
    included. Payments have no PSP account when they are created. With --json there is more: what was
    canceled, what failed over, what was reversed.

    \b
    Examples:
      payflow analytics daily shop_1
      payflow analytics daily shop_1 --from 2026-01-01 --to 2026-01-31 --json
    """
    request = pb.GetDailyTotalsRequest(
        merchant_id=merchant_id,
        from_date=_text(first or datetime.now(UTC)),
        to_date=_text(last) if last else "",
        currency=currency,
        psp_account_id=psp_account_id,
        page_size=PAGE_ROWS,
    )
    found = _all_pages(request, address)
    if as_json:
        print_json(found)
        return
    print_table(COLUMNS, map(_row, found.daily_totals), NAMES)
    if found.HasField("as_of"):
        click.echo(f"as of {time_text(found.as_of)}")


@command.command()
def rebuild() -> None:
    """Add everything up anew, from the events in the database DATABASE_URL.

    For totals that a consumer which began too late, or a discarded event, has left incomplete. Callers read
    the old totals until it is done; the worker waits, and goes on behind it.

    \b
    Example:
      payflow analytics rebuild
    """
    model = AnalyticsRebuild(required_database_url(process_settings()), daily_totals.CONSUMER, FOLDED)
    try:
        with click.progressbar(model.events(), model.count(), "adding up", width=40) as progress:
            model.fill(rebuilt_totals(progress))
        model.commit()
    finally:
        model.close()


def _all_pages(request: pb.GetDailyTotalsRequest, address: str | None) -> pb.GetDailyTotalsResponse:
    with analytics_service(address) as service:
        found = call(service.GetDailyTotals, request)
        while found.next_page_token:
            request.page_token = found.next_page_token
            page = call(service.GetDailyTotals, request)
            found.daily_totals.extend(page.daily_totals)
            found.next_page_token = page.next_page_token
    return found


def _row(row: pb.DailyTotals) -> tuple[str, ...]:
    amounts = (major_units(getattr(row, name), row.currency) for name in AMOUNTS)
    counts = (str(getattr(row, name)) for name in COUNTS)
    return row.date, row.currency, row.psp_account_id or "-", *amounts, *counts


def _text(day: datetime) -> str:
    return day.date().isoformat()
