"""`payflow dev`."""

from __future__ import annotations

import os

import click

from server.dev.data_dir import DataDirInUse
from server.dev.postgres import EmbeddedPostgresError
from server.dev.stack import run
from server.dev.supervisor import StackFailed


@click.command("dev")
def command() -> None:
    """Start everything on this machine and run until Ctrl-C.

    Brings PostgreSQL, Valkey and a Kafka-compatible broker of its own, unless DATABASE_URL, REDIS_URL or
    KAFKA_BROKERS name others; migrates the database; starts two simulated PSPs, the gRPC server, the HTTP
    gateway and the workers; then prints one line that starts with `ready` and has every address. Data
    stays in PAYFLOW_DATA_DIR for the next start.

    \b
    Examples:
      payflow dev
      PAYFLOW_DATA_DIR=/tmp/second API_PORT=8081 GRPC_PORT=50052 PROMETHEUS_PORT=9091 payflow dev
      DATABASE_URL=postgresql://payflow_app@localhost/payflow payflow dev
    """
    try:
        run(os.environ)
    except (DataDirInUse, EmbeddedPostgresError, PermissionError, StackFailed) as error:
        raise click.ClickException(str(error)) from error
