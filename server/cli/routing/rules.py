"""`payflow routing rules`."""

from __future__ import annotations

from typing import TextIO

import click

from payflow.v1 import routing_pb2 as pb
from server.cli.listing import print_list
from server.cli.output import print_json, print_many, print_one
from server.cli.remote import call, idempotency_key_option, remote_options, routing_service
from server.cli.routing.files import FILE, read_file
from server.cli.routing.tables import print_rules

VERSION_COLUMNS = ("version", "set_at")
FAULT_COLUMNS = ("field", "description")


@click.group()
def rules() -> None:
    """Show and replace a merchant's routing rules.

    \b
    Examples:
      payflow routing rules show shop_1
      payflow routing rules validate shop_1 rules.json
      payflow routing rules set shop_1 rules.json
      payflow routing rules versions shop_1
    """


@rules.command()
@click.argument("merchant_id")
@click.option(
    "--version", type=click.IntRange(min=1), help="An earlier version.  [default: the one that holds]"
)
@remote_options
def show(*, merchant_id: str, version: int | None, address: str | None, as_json: bool) -> None:
    """Show the rules of the merchant MERCHANT_ID."""
    request = pb.GetRoutingRulesRequest(merchant_id=merchant_id, version=version or 0)
    with routing_service(address) as service:
        found = call(service.GetRoutingRules, request)
    _print(found, as_json)


@rules.command("set")
@click.argument("merchant_id")
@click.argument("file", type=FILE)
@idempotency_key_option
@remote_options
def set_(*, merchant_id: str, file: TextIO, idempotency_key: str, address: str | None, as_json: bool) -> None:
    """Replace the rules of the merchant MERCHANT_ID by those of FILE, or of - for standard input.

    Payments that are authorized from then on go by the new ones, within two seconds.
    """
    request = read_file(file, pb.SetRoutingRulesRequest)
    request.merchant_id = merchant_id
    with routing_service(address) as service:
        found = call(service.SetRoutingRules, request, idempotency_key)
    _print(found, as_json)


@rules.command()
@click.argument("merchant_id")
@click.argument("file", type=FILE)
@remote_options
def validate(*, merchant_id: str, file: TextIO, address: str | None, as_json: bool) -> None:
    """Say everything that is wrong with the rules of FILE, and change nothing.

    Ends with exit code 1 where something is.
    """
    request = read_file(file, pb.ValidateRoutingRulesRequest)
    request.merchant_id = merchant_id
    with routing_service(address) as service:
        found = call(service.ValidateRoutingRules, request)
    if as_json:
        print_json(found)
    elif found.faults:
        print_many(found.faults, FAULT_COLUMNS, as_json)
    else:
        click.echo("the rules are good")
    if found.faults:
        raise click.exceptions.Exit(1)


@rules.command()
@click.argument("merchant_id")
@click.option("--limit", type=click.IntRange(1, 50), default=20, show_default=True, help="At most this many.")
@remote_options
def versions(*, merchant_id: str, limit: int, address: str | None, as_json: bool) -> None:
    """List the versions of the rules of the merchant MERCHANT_ID, newest first."""
    request = pb.ListRoutingRuleVersionsRequest(merchant_id=merchant_id)
    with routing_service(address) as service:
        print_list(service.ListRoutingRuleVersions, request, "versions", limit, VERSION_COLUMNS, as_json)


def _print(found: pb.RoutingRulesVersion, as_json: bool) -> None:
    if as_json:
        print_one(found, as_json)
    else:
        print_rules(found)
