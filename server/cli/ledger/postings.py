"""`payflow ledger post|reverse`."""

from __future__ import annotations

import uuid
from datetime import datetime

import click

from payflow.v1 import ledger_pb2 as pb
from payflow.wire.timestamps import timestamp
from server.cli.ledger.arguments import Line, expected_version, instant, line
from server.cli.ledger.options import merchant_option, metadata_option
from server.cli.ledger.tables import print_transaction
from server.cli.output import print_json
from server.cli.remote import call, ledger_service, remote_options

idempotency_key_option = click.option(
    "--idempotency-key",
    metavar="KEY",
    help="Repeat a call with its key and it takes effect once.  [default: a new one, told on standard error]",
)
description_option = click.option("--description", default="", help="Free text.")
reference_option = click.option(
    "--reference", default="", help="Your own reference, unique in the merchant's book."
)


@click.command()
@merchant_option
@click.option(
    "--debit",
    "debits",
    type=line,
    multiple=True,
    metavar="ACCOUNT=AMOUNT",
    help="A line that debits ACCOUNT, such as cash=25.00USD; may be repeated.",
)
@click.option(
    "--credit",
    "credits_",
    type=line,
    multiple=True,
    metavar="ACCOUNT=AMOUNT",
    help="A line that credits ACCOUNT; may be repeated.",
)
@click.option("--pending", is_flag=True, help="Place a hold instead of posting.")
@click.option("--effective-at", type=instant, metavar="TIME", help="When it took place in your view.")
@click.option(
    "--expires-at", type=instant, metavar="TIME", help="When a hold lapses, such as 2026-01-31T12:00:00Z."
)
@click.option(
    "--expect",
    "expected_versions",
    type=expected_version,
    multiple=True,
    metavar="ACCOUNT=VERSION",
    help="Post only while ACCOUNT is at VERSION; may be repeated.",
)
@description_option
@reference_option
@metadata_option
@idempotency_key_option
@remote_options
def post(
    *,
    merchant_id: str,
    debits: tuple[Line, ...],
    credits_: tuple[Line, ...],
    pending: bool,
    effective_at: datetime | None,
    expires_at: datetime | None,
    expected_versions: tuple[tuple[str, int], ...],
    description: str,
    reference: str,
    metadata: tuple[tuple[str, str], ...],
    idempotency_key: str | None,
    address: str | None,
    as_json: bool,
) -> None:
    """Post one transaction, or place a hold with --pending.

    Debits and credits must be equal in each currency. An amount has all decimals of its currency or none:
    25.00USD, 25USD, 2500JPY.

    \b
    Examples:
      payflow ledger post --merchant shop_1 --debit cash=25.00USD --credit wallet:alice=25.00USD
      payflow ledger post --merchant shop_1 --debit wallet:alice=10.00USD --credit sales=9.70USD \\
        --credit fees=0.30USD --reference order-1234 --metadata order=1234
      payflow ledger post --merchant shop_1 --debit wallet:alice=10.00USD --credit sales=10.00USD \\
        --pending --expires-at 2026-12-31T12:00:00Z --expect wallet:alice=3
    """
    request = pb.PostTransactionRequest(
        merchant_id=merchant_id,
        description=description,
        reference=reference,
        entries=[_entry(*one) for one in debits]
        + [_entry(one.account_id, -one.amount, one.currency) for one in credits_],
        pending=pending,
        effective_at=timestamp(effective_at),
        metadata=dict(metadata),
        expected_versions=dict(expected_versions),
        expires_at=timestamp(expires_at),
    )
    with ledger_service(address) as service:
        _print(call(service.PostTransaction, request, idempotency_key or _new_key()), as_json)


@click.command()
@click.argument("transaction_id", metavar="TRANSACTION")
@click.option("--merchant", "merchant_id", metavar="MERCHANT", default="", help="Refuse any other's.")
@description_option
@reference_option
@metadata_option
@idempotency_key_option
@remote_options
def reverse(
    *,
    transaction_id: str,
    merchant_id: str,
    description: str,
    reference: str,
    metadata: tuple[tuple[str, str], ...],
    idempotency_key: str | None,
    address: str | None,
    as_json: bool,
) -> None:
    """Post the exact opposite of TRANSACTION, once.

    \b
    Example:
      payflow ledger reverse txn_01m83r7m7zef2b586ssnrcjsb1b3zkwz --description "Wrong customer"
    """
    request = pb.ReverseTransactionRequest(
        id=transaction_id,
        merchant_id=merchant_id,
        description=description,
        reference=reference,
        metadata=dict(metadata),
    )
    with ledger_service(address) as service:
        _print(call(service.ReverseTransaction, request, idempotency_key or _new_key()), as_json)


def _entry(account_id: str, amount: int, currency: str) -> pb.Entry:
    return pb.Entry(account_id=account_id, amount=amount, currency=currency)


def _new_key() -> str:
    """A key, told before the call, so that a call that is cut short can be repeated with it."""
    key = str(uuid.uuid4())
    click.echo(f"idempotency key: {key}", err=True)
    return key


def _print(transaction: pb.Transaction, as_json: bool) -> None:
    if as_json:
        print_json(transaction)
    else:
        print_transaction(transaction)
