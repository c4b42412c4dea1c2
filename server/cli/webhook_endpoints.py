"""`payflow webhook-endpoints`: endpoints and their secrets."""

from __future__ import annotations

import click

from payflow.v1 import webhook_endpoint_pb2 as pb
from server.cli.output import print_many, print_one
from server.cli.remote import call, idempotency_key_option, remote_options, webhook_endpoint_service
from server.cli.webhook_deliveries import deliveries, redeliver

COLUMNS = ("id", "status", "disabled_reason", "event_types", "url")
STATUSES = {True: pb.WEBHOOK_ENDPOINT_STATUS_ENABLED, False: pb.WEBHOOK_ENDPOINT_STATUS_DISABLED}

_event_option = click.option(
    "--event",
    "event_types",
    multiple=True,
    metavar="TYPE",
    help="Send events of this type, or like payment_intent.*; may be repeated.",
)


@click.group("webhook-endpoints")
def command() -> None:
    """Tell merchants what happens: endpoints, secrets and deliveries, on a running server.

    What PSPs tell PayFlow is under `payflow webhooks`.

    \b
    Examples:
      payflow webhook-endpoints create shop_1 https://shop.example/payflow --event 'payment_intent.*'
      payflow webhook-endpoints secret we_01m83r7m7zef2b586ssnrcjsb1b3zkwz
      payflow webhook-endpoints test we_01m83r7m7zef2b586ssnrcjsb1b3zkwz
      payflow webhook-endpoints deliveries we_01m83r7m7zef2b586ssnrcjsb1b3zkwz --state failed
      payflow webhook-endpoints redeliver we_01m83r7m7zef2b586ssnrcjsb1b3zkwz --failed-since 2026-01-31
    """


command.add_command(deliveries)
command.add_command(redeliver)


@command.command()
@click.argument("merchant_id")
@click.argument("url")
@_event_option
@click.option("--description", default="", help="A note for people.")
@idempotency_key_option
@remote_options
def create(
    *,
    merchant_id: str,
    url: str,
    event_types: tuple[str, ...],
    description: str,
    idempotency_key: str,
    address: str | None,
    as_json: bool,
) -> None:
    """Tell the merchant MERCHANT_ID what happens from now on, at URL; without --event, everything.

    \b
    Example:
      payflow webhook-endpoints create shop_1 https://shop.example/payflow --event 'refund.*'
    """
    request = pb.CreateWebhookEndpointRequest(
        merchant_id=merchant_id, url=url, description=description, event_types=event_types
    )
    with webhook_endpoint_service(address) as service:
        print_one(call(service.CreateWebhookEndpoint, request, idempotency_key), as_json)


@command.command()
@click.argument("endpoint_id")
@remote_options
def get(*, endpoint_id: str, address: str | None, as_json: bool) -> None:
    """Show the endpoint ENDPOINT_ID."""
    with webhook_endpoint_service(address) as service:
        print_one(call(service.GetWebhookEndpoint, pb.GetWebhookEndpointRequest(id=endpoint_id)), as_json)


@command.command("list")
@click.argument("merchant_id")
@remote_options
def list_(*, merchant_id: str, address: str | None, as_json: bool) -> None:
    """List the endpoints of the merchant MERCHANT_ID."""
    with webhook_endpoint_service(address) as service:
        request = pb.ListWebhookEndpointsRequest(merchant_id=merchant_id)
        page = call(service.ListWebhookEndpoints, request)
    print_many(page.webhook_endpoints, COLUMNS, as_json)


@command.command()
@click.argument("endpoint_id")
@click.option("--url", help="Where to post to from now on.")
@_event_option
@click.option("--description", help="A note for people.")
@click.option("--enable/--disable", "enabled", default=None, help="Whether it is told anything.")
@idempotency_key_option
@remote_options
def update(
    *,
    endpoint_id: str,
    url: str | None,
    event_types: tuple[str, ...],
    description: str | None,
    enabled: bool | None,
    idempotency_key: str,
    address: str | None,
    as_json: bool,
) -> None:
    """Change the endpoint ENDPOINT_ID; what is not given stays.

    \b
    Example:
      payflow webhook-endpoints update we_01m83r7m7zef2b586ssnrcjsb1b3zkwz --enable
    """
    request = pb.UpdateWebhookEndpointRequest(
        id=endpoint_id, url=url, description=description, event_types=event_types
    )
    if enabled is not None:
        request.status = STATUSES[enabled]
    with webhook_endpoint_service(address) as service:
        print_one(call(service.UpdateWebhookEndpoint, request, idempotency_key), as_json)


@command.command()
@click.argument("endpoint_id")
@idempotency_key_option
@remote_options
def delete(*, endpoint_id: str, idempotency_key: str, address: str | None, as_json: bool) -> None:
    """Remove the endpoint ENDPOINT_ID for good."""
    request = pb.DeleteWebhookEndpointRequest(id=endpoint_id)
    with webhook_endpoint_service(address) as service:
        print_one(call(service.DeleteWebhookEndpoint, request, idempotency_key), as_json)


@command.command("rotate-secret")
@click.argument("endpoint_id")
@idempotency_key_option
@remote_options
def rotate_secret(*, endpoint_id: str, idempotency_key: str, address: str | None, as_json: bool) -> None:
    """Give the endpoint ENDPOINT_ID a new secret; for 24 hours the one before signs as well."""
    request = pb.RotateWebhookEndpointSecretRequest(id=endpoint_id)
    with webhook_endpoint_service(address) as service:
        print_one(call(service.RotateWebhookEndpointSecret, request, idempotency_key), as_json)


@command.command()
@click.argument("endpoint_id")
@remote_options
def secret(*, endpoint_id: str, address: str | None, as_json: bool) -> None:
    """Print the secret that the receiver at ENDPOINT_ID verifies signatures with."""
    request = pb.GetWebhookEndpointSecretRequest(id=endpoint_id)
    with webhook_endpoint_service(address) as service:
        found = call(service.GetWebhookEndpointSecret, request)
    if as_json:
        print_one(found, as_json)
    else:
        click.echo(found.secret)


@command.command()
@click.argument("endpoint_id")
@idempotency_key_option
@remote_options
def test(*, endpoint_id: str, idempotency_key: str, address: str | None, as_json: bool) -> None:
    """Send an event of type webhook_endpoint.tested to ENDPOINT_ID, the way all others go."""
    request = pb.TestWebhookEndpointRequest(id=endpoint_id)
    with webhook_endpoint_service(address) as service:
        print_one(call(service.TestWebhookEndpoint, request, idempotency_key), as_json)
