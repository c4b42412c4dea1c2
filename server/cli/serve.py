"""`payflow serve`."""

from __future__ import annotations

import sys

import click

from server.cli.process_settings import process_settings
from server.config import required_database_url
from server.rpc.child import ChildFailed
from server.rpc.process import serve
from server.wiring import build_application


@click.command("serve")
def command() -> None:
    """Run the gRPC server on GRPC_PORT.

    Needs DATABASE_URL, of a database that is migrated. GRPC_PROCESSES processes share the port. On
    SIGTERM it stops taking calls, finishes those it has, and exits with 0.

    \b
    Example:
      DATABASE_URL=postgresql://payflow_app@localhost/payflow payflow serve
    """
    settings = process_settings()
    required_database_url(settings)
    try:
        sys.exit(serve(settings, build_application))
    except ChildFailed as error:
        raise click.ClickException(f"a server process could not start: {error}") from error
