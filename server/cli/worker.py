"""`payflow worker`."""

from __future__ import annotations

import sys

import click

from server.cli.process_settings import process_settings
from server.config import required_database_url
from server.worker.process import run


@click.command("worker")
def command() -> None:
    """Run the workers: recovery of payments whose outcome is unknown, webhooks, expiry, guardrails of
    experiments, audit of the ledger, clean-up.

    Needs DATABASE_URL, of a database that is migrated. Several may run at once.

    \b
    Example:
      DATABASE_URL=postgresql://payflow_app@localhost/payflow payflow worker
    """
    settings = process_settings()
    required_database_url(settings)
    sys.exit(run(settings))
