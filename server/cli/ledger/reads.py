"""`payflow ledger balances|statement`."""

from __future__ import annotations

from datetime import datetime

import click

from payflow.v1 import ledger_pb2 as pb
from payflow.v1.ledger_pb2_grpc import LedgerServiceStub
from payflow.wire.timestamps import timestamp
from server.cli.ledger.arguments import instant
from server.cli.ledger.options import merchant_option
from server.cli.ledger.tables import print_balances, print_statement, print_totals
from server.cli.output import print_json
from server.cli.remote import call, ledger_service, remote_options

ENTRIES_PAGE = 500
BALANCES_PAGE = 5_000
NAMED_MAX = 1_000


@click.command()
@click.argument("account_ids", metavar="[ACCOUNT]...", nargs=-1)
@merchant_option
@click.option(
    "--as-of",
    type=instant,
    metavar="TIME",
    help="The recorded instant, such as 2026-01-31T12:00:00Z; UTC unless it says otherwise.  [default: now]",
)
@remote_options
def balances(
    *,
    account_ids: tuple[str, ...],
    merchant_id: str,
    as_of: datetime | None,
    address: str | None,
    as_json: bool,
) -> None:
    """Show what accounts hold: the ones named, or the whole book with its totals.

    POSTED is signed, debits positive. AVAILABLE is posted less pending outflows, in the normal direction
    of the account's type. The difference of a book's totals is zero. A book of more than 5,000 accounts is
    read page by page; with --as-of they speak of the same instant.

    \b
    Examples:
      payflow ledger balances --merchant shop_1
      payflow ledger balances --merchant shop_1 wallet:alice wallet:bob --as-of 2026-01-31T12:00:00Z
    """
    if len(account_ids) > NAMED_MAX:
        raise click.UsageError(f"at most {NAMED_MAX} accounts can be named")
    with ledger_service(address) as service:
        found = (
            _named(service, merchant_id, account_ids, as_of)
            if account_ids
            else _whole_book(service, merchant_id, as_of)
        )
    if as_json:
        print_json(found)
        return
    print_balances(found.balances)
    if isinstance(found, pb.TrialBalance):
        click.echo()
        print_totals(found.totals)


def _named(
    service: LedgerServiceStub, merchant_id: str, account_ids: tuple[str, ...], as_of: datetime | None
) -> pb.BatchGetBalancesResponse:
    request = pb.BatchGetBalancesRequest(
        merchant_id=merchant_id, account_ids=account_ids, as_of=timestamp(as_of)
    )
    return call(service.BatchGetBalances, request)


def _whole_book(service: LedgerServiceStub, merchant_id: str, as_of: datetime | None) -> pb.TrialBalance:
    """All pages in one."""
    request = pb.GetTrialBalanceRequest(
        merchant_id=merchant_id, as_of=timestamp(as_of), page_size=BALANCES_PAGE
    )
    book = call(service.GetTrialBalance, request)
    while book.next_page_token:
        request.page_token = book.next_page_token
        page = call(service.GetTrialBalance, request)
        book.balances.extend(page.balances)
        book.next_page_token = page.next_page_token
    return book


@click.command()
@click.argument("account_id", metavar="ACCOUNT")
@merchant_option
@click.option(
    "--from",
    "start_time",
    type=instant,
    metavar="TIME",
    help="Entries recorded then or later, such as 2026-01-31.  [default: the first entry]",
)
@click.option(
    "--to", "end_time", type=instant, metavar="TIME", help="Entries recorded before.  [default: now]"
)
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="At most this many entries.",
)
@remote_options
def statement(
    *,
    account_id: str,
    merchant_id: str,
    start_time: datetime | None,
    end_time: datetime | None,
    limit: int,
    address: str | None,
    as_json: bool,
) -> None:
    """Show what moved on ACCOUNT in a period: opening, entries, closing.

    A hold is an entry of the layer pending; `release` takes one back. POSTED and AVAILABLE are what the
    account had behind the entry. Times are UTC unless they say otherwise.

    \b
    Examples:
      payflow ledger statement wallet:alice --merchant shop_1
      payflow ledger statement cash --merchant shop_1 --from 2026-01-01 --to 2026-02-01 --limit 1000
    """
    request = pb.GetAccountStatementRequest(
        account_id=account_id,
        merchant_id=merchant_id,
        start_time=timestamp(start_time),
        end_time=timestamp(end_time),
    )
    with ledger_service(address) as service:
        found = _statement(service, request, limit)
    if as_json:
        print_json(found)
        return
    print_statement(found)
    if found.next_page_token:
        click.echo(f"there are more than {limit}; see --limit", err=True)


def _statement(
    service: LedgerServiceStub, request: pb.GetAccountStatementRequest, limit: int
) -> pb.AccountStatement:
    """As many pages as hold ``limit`` entries, in one."""
    request.page_size = min(limit, ENTRIES_PAGE)
    found = call(service.GetAccountStatement, request)
    while found.next_page_token and len(found.entries) < limit:
        request.page_size = min(limit - len(found.entries), ENTRIES_PAGE)
        request.page_token = found.next_page_token
        page = call(service.GetAccountStatement, request)
        found.entries.extend(page.entries)
        found.next_page_token = page.next_page_token
    return found
