"""`payflow routing experiment`."""

from __future__ import annotations

from typing import TextIO

import click

from payflow.v1 import routing_pb2 as pb
from server.cli.output import print_json, print_many
from server.cli.remote import call, idempotency_key_option, remote_options, routing_service
from server.cli.routing.files import FILE, read_file
from server.cli.routing.tables import print_experiment, print_experiments


@click.group()
def experiment() -> None:
    """Start, show and stop A/B experiments.

    \b
    Examples:
      payflow routing experiment start shop_1 experiment.json
      payflow routing experiment list shop_1
      payflow routing experiment show shop_1 exp_01m83r7m7zef2b586ssnrcjsb1b3zkwz
      payflow routing experiment stop shop_1 exp_01m83r7m7zef2b586ssnrcjsb1b3zkwz
    """


@experiment.command()
@click.argument("merchant_id")
@click.argument("file", type=FILE)
@idempotency_key_option
@remote_options
def start(
    *, merchant_id: str, file: TextIO, idempotency_key: str, address: str | None, as_json: bool
) -> None:
    """Start the experiment of FILE, or of - for standard input, with the payments of MERCHANT_ID."""
    request = read_file(file, pb.CreateExperimentRequest)
    request.merchant_id = merchant_id
    with routing_service(address) as service:
        found = call(service.CreateExperiment, request, idempotency_key)
    _print(found, as_json)


@experiment.command()
@click.argument("merchant_id")
@click.argument("experiment_id")
@remote_options
def show(*, merchant_id: str, experiment_id: str, address: str | None, as_json: bool) -> None:
    """Show the experiment EXPERIMENT_ID of MERCHANT_ID with its results so far.

    Ranges are those of 95 % confidence; DIFFERENCE is from the first arm, in percentage points.
    """
    request = pb.GetExperimentRequest(merchant_id=merchant_id, id=experiment_id)
    with routing_service(address) as service:
        found = call(service.GetExperiment, request)
    _print(found, as_json)


@experiment.command("list")
@click.argument("merchant_id")
@click.option("--limit", type=click.IntRange(1, 50), default=20, show_default=True, help="At most this many.")
@remote_options
def list_(*, merchant_id: str, limit: int, address: str | None, as_json: bool) -> None:
    """List the experiments of the merchant MERCHANT_ID, newest first."""
    request = pb.ListExperimentsRequest(merchant_id=merchant_id, page_size=limit)
    with routing_service(address) as service:
        page = call(service.ListExperiments, request)
    if as_json:
        print_many(page.experiments, (), as_json)
        return
    print_experiments(page.experiments)
    if page.next_page_token:
        click.echo(f"there are more than {limit}; see --limit", err=True)


@experiment.command()
@click.argument("merchant_id")
@click.argument("experiment_id")
@idempotency_key_option
@remote_options
def stop(
    *, merchant_id: str, experiment_id: str, idempotency_key: str, address: str | None, as_json: bool
) -> None:
    """Stop the experiment EXPERIMENT_ID of MERCHANT_ID; its results stay."""
    request = pb.StopExperimentRequest(merchant_id=merchant_id, id=experiment_id)
    with routing_service(address) as service:
        found = call(service.StopExperiment, request, idempotency_key)
    _print(found, as_json)


def _print(found: pb.Experiment, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_experiment(found)
