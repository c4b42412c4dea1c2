"""`payflow intents`."""

from __future__ import annotations

import click

from payflow.v1.payment_intent_pb2 import (
    ListStuckOperationsRequest,
    ResolvePaymentIntentRequest,
)
from server.cli.listing import limit_option, print_list
from server.cli.output import print_one
from server.cli.remote import call, idempotency_key_option, payment_intent_service, remote_options

COLUMNS = (
    *("payment_intent_id", "type", "amount", "currency", "state", "age_s", "checks", "next_check_at"),
    *("psp_account_id", "psp_key"),
)


@click.group("intents")
def command() -> None:
    """Find payments whose outcome at a PSP is not known, and ask the PSP, on a running server.

    \b
    Examples:
      payflow intents stuck
      payflow intents stuck --merchant shop_1 --older-than 600
      payflow intents resolve pi_01m83r7m7zef2b586ssnrcjsb1b3zkwz
    """


@command.command()
@click.option("--merchant", "merchant_id", metavar="ID", help="Only this merchant's.")
@click.option(
    "--older-than", "age_min_s", type=int, default=60, show_default=True, help="At least so many seconds old."
)
@limit_option
@remote_options
def stuck(*, merchant_id: str | None, age_min_s: int, limit: int, address: str | None, as_json: bool) -> None:
    """List PSP calls without an outcome, oldest first.

    UNKNOWN: the PSP did not answer, and is asked again by itself. ACCEPTED: it took the operation in and
    tells by webhook. RUNNING: somebody calls it now, or died while doing so. PARKED: every check is used
    up; look for PSP_KEY in the PSP's dashboard, then `payflow intents resolve`.
    """
    request = ListStuckOperationsRequest(merchant_id=merchant_id or "", age_min_s=age_min_s)
    with payment_intent_service(address) as service:
        print_list(service.ListStuckOperations, request, "operations", limit, COLUMNS, as_json)


@command.command()
@click.argument("payment_intent_id")
@idempotency_key_option
@remote_options
def resolve(*, payment_intent_id: str, idempotency_key: str, address: str | None, as_json: bool) -> None:
    """Ask the PSP at once what became of PAYMENT_INTENT_ID, parked calls included, and show it as it is then.

    \b
    Example:
      payflow intents resolve pi_01m83r7m7zef2b586ssnrcjsb1b3zkwz
    """
    request = ResolvePaymentIntentRequest(id=payment_intent_id)
    with payment_intent_service(address) as service:
        print_one(call(service.ResolvePaymentIntent, request, idempotency_key), as_json)
