"""`payflow webhook-endpoints deliveries` and `redeliver`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from payflow.v1 import webhook_endpoint_pb2 as pb
from server.cli.listing import limit_option, print_list
from server.cli.output import print_one
from server.cli.remote import call, idempotency_key_option, remote_options, webhook_endpoint_service
from server.gateway.enum_names import enum_names

COLUMNS = ("id", "type", "object_id", "sequence", "state", "tries", "response_status", "detail")
STATES = {name: number for number, name in enum_names(pb.WebhookDeliveryState.DESCRIPTOR).items()}
INSTANTS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d")


@click.command("deliveries")
@click.argument("endpoint_id")
@click.option("--state", type=click.Choice([*STATES]), help="Only those in this state.")
@limit_option
@remote_options
def deliveries(
    *, endpoint_id: str, state: str | None, limit: int, address: str | None, as_json: bool
) -> None:
    """List what the endpoint ENDPOINT_ID was or is to be told, newest first."""
    request = pb.ListWebhookDeliveriesRequest(id=endpoint_id)
    if state is not None:
        request.state = pb.WebhookDeliveryState.ValueType(STATES[state])
    with webhook_endpoint_service(address) as service:
        print_list(service.ListWebhookDeliveries, request, "deliveries", limit, COLUMNS, as_json)


@click.command("redeliver")
@click.argument("endpoint_id")
@click.argument("delivery_id", default="")
@click.option(
    "--failed-since",
    type=click.DateTime(INSTANTS),
    metavar="INSTANT",
    help="Everything that failed of what happened since, in UTC, such as 2026-01-31T12:00:00Z.",
)
@idempotency_key_option
@remote_options
def redeliver(
    *,
    endpoint_id: str,
    delivery_id: str,
    failed_since: datetime | None,
    idempotency_key: str,
    address: str | None,
    as_json: bool,
) -> None:
    """Send the delivery DELIVERY_ID to ENDPOINT_ID again, or with --failed-since all that failed.

    \b
    Examples:
      payflow webhook-endpoints redeliver we_01m8… whd_01m8…
      payflow webhook-endpoints redeliver we_01m8… --failed-since 2026-01-31
    """
    if bool(delivery_id) == (failed_since is not None):
        raise click.UsageError("give either DELIVERY_ID or --failed-since")
    with webhook_endpoint_service(address) as service:
        if failed_since is None:
            one = pb.RedeliverWebhookRequest(id=endpoint_id, delivery_id=delivery_id)
            print_one(call(service.RedeliverWebhook, one, idempotency_key), as_json)
            return
        request = pb.RedeliverFailedWebhooksRequest(id=endpoint_id)
        request.since.FromDatetime(failed_since.replace(tzinfo=UTC))
        total = pb.RedeliverFailedWebhooksResponse(more=True)
        while total.more:
            page = call(service.RedeliverFailedWebhooks, request, idempotency_key)
            total.redelivered += page.redelivered
            total.more = page.more
        print_one(total, as_json)
