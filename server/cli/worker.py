"""`payflow worker`."""

from __future__ import annotations

import sys

import click

from server.cli.process_settings import process_settings
from server.config import required_database_url
from server.worker.kinds import KINDS
from server.worker.process import run


@click.command("worker")
@click.argument("kinds", metavar="[KIND]...", nargs=-1, type=click.Choice(tuple(KINDS)))
def command(kinds: tuple[str, ...]) -> None:
    """Run the workers, all of them or the KINDs that are named.

    \b
    payments   recovery of payments whose outcome is unknown, PSPs' webhooks, expiry,
               guardrails of experiments, clean-up
    audit      looks again at everything that is stored, and at what waits for an operator
    relay      publishes events to the Kafka topic KAFKA_TOPIC_PAYMENTS, or to the Redis
               stream of that name where KAFKA_BROKERS is not set

    Needs DATABASE_URL, of a database that is migrated. Several may run at once.

    \b
    Examples:
      DATABASE_URL=postgresql://payflow_app@localhost/payflow payflow worker
      payflow worker payments audit
      KAFKA_BROKERS=localhost:9092 payflow worker relay
    """
    settings = process_settings()
    required_database_url(settings)
    sys.exit(run(settings, kinds=kinds or tuple(KINDS)))
