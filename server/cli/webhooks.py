"""`payflow webhooks`."""

from __future__ import annotations

import click

from payflow.v1 import webhook_pb2 as pb
from server.cli.listing import limit_option, print_list
from server.cli.output import print_one
from server.cli.remote import call, idempotency_key_option, remote_options, webhook_service
from server.gateway.enum_names import enum_names

COLUMNS = ("id", "merchant_id", "psp_account_id", "event_id", "state", "tries", "received_at", "detail")
STATES = {name: number for number, name in enum_names(pb.WebhookState.DESCRIPTOR).items()}
ALL = "all"


@click.group("webhooks")
def command() -> None:
    """See what PSPs told, and have parked events tried again or discarded, on a running server.

    An event is parked when it could not be applied to a payment; DETAIL says why.

    \b
    Examples:
      payflow webhooks list
      payflow webhooks list --state all --merchant shop_1
      payflow webhooks show wh_01m83r7m7zef2b586ssnrcjsb1b3zkwz
      payflow webhooks retry wh_01m83r7m7zef2b586ssnrcjsb1b3zkwz
      payflow webhooks discard wh_01m83r7m7zef2b586ssnrcjsb1b3zkwz --reason "another system's payment"
    """


@command.command("list")
@click.option("--merchant", "merchant_id", default="", metavar="MERCHANT", help="Only this merchant's.")
@click.option(
    "--state",
    type=click.Choice([*STATES, ALL]),
    default="parked",
    show_default=True,
    help="Only those in this state; a merchant has to be named for all but pending and parked.",
)
@click.option(
    "--psp-account",
    "psp_account_id",
    default="",
    metavar="ACCOUNT",
    help="Only those that were addressed to it.",
)
@limit_option
@remote_options
def list_(
    *, merchant_id: str, state: str, psp_account_id: str, limit: int, address: str | None, as_json: bool
) -> None:
    """List events, newest first; without options, what is parked.

    An empty MERCHANT_ID means that an event names none of our payments.
    """
    request = pb.ListWebhooksRequest(merchant_id=merchant_id, psp_account_id=psp_account_id)
    if state != ALL:
        request.state = pb.WebhookState.ValueType(STATES[state])
    with webhook_service(address) as service:
        print_list(service.ListWebhooks, request, "webhooks", limit, COLUMNS, as_json)


@command.command()
@click.argument("webhook_id")
@remote_options
def show(*, webhook_id: str, address: str | None, as_json: bool) -> None:
    """Show the event WEBHOOK_ID with its content."""
    with webhook_service(address) as service:
        print_one(call(service.GetWebhook, pb.GetWebhookRequest(id=webhook_id)), as_json)


@command.command()
@click.argument("webhook_id")
@idempotency_key_option
@remote_options
def retry(*, webhook_id: str, idempotency_key: str, address: str | None, as_json: bool) -> None:
    """Have the parked event WEBHOOK_ID tried again, as if it were new."""
    with webhook_service(address) as service:
        request = pb.RetryWebhookRequest(id=webhook_id)
        print_one(call(service.RetryWebhook, request, idempotency_key), as_json)


@command.command()
@click.argument("webhook_id")
@click.option("--reason", required=True, metavar="TEXT", help="Why, up to 500 characters; it is kept.")
@idempotency_key_option
@remote_options
def discard(
    *, webhook_id: str, reason: str, idempotency_key: str, address: str | None, as_json: bool
) -> None:
    """Give the parked event WEBHOOK_ID up; it is never applied, and deleted after 30 days."""
    with webhook_service(address) as service:
        request = pb.DiscardWebhookRequest(id=webhook_id, reason=reason)
        print_one(call(service.DiscardWebhook, request, idempotency_key), as_json)
