"""`payflow merchant`."""

from __future__ import annotations

import click

from payflow.v1.merchant_pb2 import (
    CreateMerchantRequest,
    GetMerchantRequest,
    ListMerchantsRequest,
    Mode,
    UpdateMerchantRequest,
)
from server.cli.listing import limit_option, print_list
from server.cli.output import print_one
from server.cli.remote import call, idempotency_key_option, merchant_service, remote_options

COLUMNS = ("id", "name", "mode", "version", "created_at")


@click.group("merchant")
def command() -> None:
    """Create, show and change merchants on a running server.

    \b
    Examples:
      payflow merchant create shop_1 --name "Shop One"
      payflow merchant create shop_2 --live
      payflow merchant update shop_1 --name "Shop No. 1"
      payflow merchant list --json
    """


@command.command()
@click.argument("merchant_id")
@click.option("--name", default="", help="A name for people.")
@click.option("--live/--test", default=False, help="Whether real money moves.  [default: --test]")
@idempotency_key_option
@remote_options
def create(
    *, merchant_id: str, name: str, live: bool, idempotency_key: str, address: str | None, as_json: bool
) -> None:
    """Create the merchant MERCHANT_ID.

    In test mode it gets a simulator account and can take payments at once.

    \b
    Example:
      payflow merchant create shop_1 --name "Shop One"
    """
    mode = Mode.MODE_LIVE if live else Mode.MODE_TEST
    request = CreateMerchantRequest(merchant_id=merchant_id, name=name, mode=mode)
    with merchant_service(address) as service:
        print_one(call(service.CreateMerchant, request, idempotency_key), as_json)


@command.command()
@click.argument("merchant_id")
@remote_options
def get(*, merchant_id: str, address: str | None, as_json: bool) -> None:
    """Show the merchant MERCHANT_ID."""
    with merchant_service(address) as service:
        print_one(call(service.GetMerchant, GetMerchantRequest(merchant_id=merchant_id)), as_json)


@command.command("list")
@limit_option
@remote_options
def list_(*, limit: int, address: str | None, as_json: bool) -> None:
    """List merchants by id."""
    with merchant_service(address) as service:
        print_list(service.ListMerchants, ListMerchantsRequest(), "merchants", limit, COLUMNS, as_json)


@command.command()
@click.argument("merchant_id")
@click.option("--name", help="A new name.")
@idempotency_key_option
@remote_options
def update(
    *, merchant_id: str, name: str | None, idempotency_key: str, address: str | None, as_json: bool
) -> None:
    """Change the merchant MERCHANT_ID; what is not given stays."""
    request = UpdateMerchantRequest(merchant_id=merchant_id, name=name)
    with merchant_service(address) as service:
        print_one(call(service.UpdateMerchant, request, idempotency_key), as_json)
