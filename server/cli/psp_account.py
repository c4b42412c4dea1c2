"""`payflow psp-account`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from payflow.v1.merchant_pb2 import (
    CreatePspAccountRequest,
    GetPspAccountRequest,
    ListPspAccountsRequest,
    UpdatePspAccountRequest,
)
from server.cli.output import print_many, print_one
from server.cli.remote import call, idempotency_key_option, merchant_service, remote_options

COLUMNS = ("id", "connector", "mode", "fee_bps", "fee_fixed", "priority", "enabled")

F = TypeVar("F", bound=Callable[..., Any])


@click.group("psp-account")
def command() -> None:
    """Create, show and change a merchant's accounts at PSPs, on a running server.

    \b
    Examples:
      payflow psp-account list shop_1
      payflow psp-account create shop_1 second --connector simulator --fee-bps 250 --fee-fixed 10
      payflow psp-account update shop_1 second --cost-bps 145 --cost-fixed 11
      payflow psp-account update shop_1 second --disable
    """


def _writable_fields(command: F) -> F:
    for option in (
        click.option(
            "--priority", type=int, help="Accounts with a lower number are tried first, 0 to 1,000."
        ),
        click.option(
            "--credential-ref",
            help="Where the credentials are kept, such as an environment variable; never the credentials.",
        ),
        click.option(
            "--cost-fixed",
            type=int,
            help="What the PSP keeps of each payment, in minor units.  [default: what the connector states]",
        ),
        click.option(
            "--cost-bps",
            type=int,
            help="What the PSP keeps, in hundredths of a percent.  [default: what the connector states]",
        ),
        click.option("--fee-fixed", type=int, help="Fixed fee of a capture, in minor units of its currency."),
        click.option(
            "--fee-bps", type=int, help="Share of a capture in hundredths of a percent; 300 is 3 %."
        ),
    ):
        command = option(command)
    return command


@command.command()
@click.argument("merchant_id")
@click.argument("psp_account_id")
@click.option("--connector", required=True, help="The connector that speaks to the PSP, such as simulator.")
@_writable_fields
@idempotency_key_option
@remote_options
def create(
    *,
    merchant_id: str,
    psp_account_id: str,
    connector: str,
    fee_bps: int | None,
    fee_fixed: int | None,
    cost_bps: int | None,
    cost_fixed: int | None,
    credential_ref: str | None,
    priority: int | None,
    idempotency_key: str,
    address: str | None,
    as_json: bool,
) -> None:
    """Add the account PSP_ACCOUNT_ID to the merchant MERCHANT_ID.

    \b
    Example:
      payflow psp-account create shop_1 second --connector simulator --fee-bps 250
    """
    request = CreatePspAccountRequest(
        merchant_id=merchant_id,
        id=psp_account_id,
        connector=connector,
        fee_bps=fee_bps,
        fee_fixed=fee_fixed or 0,
        credential_ref=credential_ref or "",
        priority=priority or 0,
        cost_bps=cost_bps,
        cost_fixed=cost_fixed,
    )
    with merchant_service(address) as service:
        print_one(call(service.CreatePspAccount, request, idempotency_key), as_json)


@command.command()
@click.argument("merchant_id")
@click.argument("psp_account_id")
@remote_options
def get(*, merchant_id: str, psp_account_id: str, address: str | None, as_json: bool) -> None:
    """Show the account PSP_ACCOUNT_ID of the merchant MERCHANT_ID."""
    request = GetPspAccountRequest(merchant_id=merchant_id, id=psp_account_id)
    with merchant_service(address) as service:
        print_one(call(service.GetPspAccount, request), as_json)


@command.command("list")
@click.argument("merchant_id")
@remote_options
def list_(*, merchant_id: str, address: str | None, as_json: bool) -> None:
    """List the accounts of the merchant MERCHANT_ID in the order in which they are tried."""
    with merchant_service(address) as service:
        page = call(service.ListPspAccounts, ListPspAccountsRequest(merchant_id=merchant_id))
    print_many(page.psp_accounts, COLUMNS, as_json)


@command.command()
@click.argument("merchant_id")
@click.argument("psp_account_id")
@_writable_fields
@click.option("--enable/--disable", "enabled", default=None, help="Whether it takes new payments.")
@idempotency_key_option
@remote_options
def update(
    *,
    merchant_id: str,
    psp_account_id: str,
    fee_bps: int | None,
    fee_fixed: int | None,
    cost_bps: int | None,
    cost_fixed: int | None,
    credential_ref: str | None,
    priority: int | None,
    enabled: bool | None,
    idempotency_key: str,
    address: str | None,
    as_json: bool,
) -> None:
    """Change the account PSP_ACCOUNT_ID of MERCHANT_ID; what is not given stays.

    Fees apply to captures that start afterwards.

    \b
    Example:
      payflow psp-account update shop_1 second --fee-bps 200 --disable
    """
    request = UpdatePspAccountRequest(
        merchant_id=merchant_id,
        id=psp_account_id,
        fee_bps=fee_bps,
        fee_fixed=fee_fixed,
        credential_ref=credential_ref,
        priority=priority,
        enabled=enabled,
        cost_bps=cost_bps,
        cost_fixed=cost_fixed,
    )
    with merchant_service(address) as service:
        print_one(call(service.UpdatePspAccount, request, idempotency_key), as_json)
