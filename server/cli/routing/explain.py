"""`payflow routing explain`."""

from __future__ import annotations

from typing import TextIO

import click

from payflow.v1 import routing_pb2 as pb
from server.cli.output import print_json
from server.cli.remote import call, remote_options, routing_service
from server.cli.routing.files import FILE, read_file
from server.cli.routing.tables import print_attempts, print_decision


@click.command()
@click.argument("payment_intent_id", metavar="INTENT")
@click.option(
    "--what-if", type=FILE, metavar="FILE", help="Other rules: what they would have made of the same."
)
@remote_options
def explain(*, payment_intent_id: str, what_if: TextIO | None, address: str | None, as_json: bool) -> None:
    """Show why the payment INTENT went where it did.

    PLACE is where an account stood in the order in which it was to be tried. Nothing is asked again: the
    decision is shown from what was recorded when it was made.

    \b
    Example:
      payflow routing explain pi_01m83r7m7zef2b586ssnrcjsb1b3zkwz --what-if rules.json
    """
    request = pb.ExplainRoutingRequest(payment_intent_id=payment_intent_id)
    if what_if is not None:
        request.what_if.CopyFrom(read_file(what_if, pb.RoutingRules))
    with routing_service(address) as service:
        found = call(service.ExplainRouting, request)
    if as_json:
        print_json(found)
        return
    print_decision(found.decision)
    click.echo()
    print_attempts(found.attempts)
    if found.HasField("what_if"):
        click.echo("\nwith the other rules:\n")
        print_decision(found.what_if)
