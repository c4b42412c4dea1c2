"""`payflow gateway`."""

from __future__ import annotations

import sys

import click

from server.cli.process_settings import process_settings
from server.gateway.process import run
from server.ports import require_free_port


@click.command("gateway")
def command() -> None:
    """Run the HTTP gateway on API_PORT, in front of the gRPC server on GRPC_PORT.

    \b
    Example:
      API_PORT=8081 payflow gateway
    """
    settings = process_settings()
    require_free_port(settings.bind_host, settings.api_port, "API_PORT")
    sys.exit(run(settings))
