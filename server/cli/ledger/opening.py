"""`payflow ledger open`."""

from __future__ import annotations

import click

from payflow.domain.ledger.account import AccountType
from payflow.v1 import ledger_pb2 as pb
from server.cli.ledger.options import merchant_option, metadata_option
from server.cli.output import print_json, print_many
from server.cli.remote import call, idempotency_key_option, ledger_service, remote_options

ACCOUNT_TYPES = [one.value.lower() for one in AccountType]
COLUMNS = ("id", "type", "currency", "allow_negative", "name")


@click.command("open")
@click.argument("account_id", metavar="ACCOUNT")
@merchant_option
@click.option(
    "--type",
    "type_",
    type=click.Choice(ACCOUNT_TYPES),
    required=True,
    help="Assets and expenses grow by debits.",
)
@click.option("--currency", required=True, help="ISO 4217 code, such as USD.")
@click.option("--allow-negative", is_flag=True, help="Let its available balance go below zero.")
@click.option("--name", default="", help="A name for people.")
@metadata_option
@idempotency_key_option
@remote_options
def open_(
    *,
    account_id: str,
    merchant_id: str,
    type_: str,
    currency: str,
    allow_negative: bool,
    name: str,
    metadata: tuple[tuple[str, str], ...],
    idempotency_key: str,
    address: str | None,
    as_json: bool,
) -> None:
    """Open ACCOUNT in a merchant's book.

    Its id is taken then: to open it twice is refused.

    \b
    Examples:
      payflow ledger open cash --merchant shop_1 --type asset --currency USD --allow-negative
      payflow ledger open wallet:alice --merchant shop_1 --type liability --currency USD --name "Alice"
    """
    request = pb.CreateAccountRequest(
        id=account_id,
        merchant_id=merchant_id,
        name=name,
        type=pb.AccountType.Value(f"ACCOUNT_TYPE_{type_.upper()}"),
        currency=currency,
        allow_negative=allow_negative,
        metadata=dict(metadata),
    )
    with ledger_service(address) as service:
        opened = call(service.CreateAccount, request, idempotency_key)
    if as_json:
        print_json(opened)
    else:
        print_many([opened], COLUMNS, as_json)
