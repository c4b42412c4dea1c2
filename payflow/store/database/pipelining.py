"""Pipelines whose statements may be of any size."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, Pipeline, generators


def sync(connection: Connection[Any], pipeline: Pipeline) -> None:
    """Sends everything, then waits for every answer.

    Pipeline.sync alone may wait for answers while the end of a large statement is still unsent, and the
    server for that end: https://github.com/psycopg/psycopg/issues/685
    """
    connection.wait(generators.send(connection.pgconn))
    pipeline.sync()
