"""Lists that come page by page, as far as --limit says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import grpc
from google.protobuf.message import Message

from server.cli.output import print_many
from server.cli.remote import call

PAGE_SIZE_MAX = 500

limit_option = click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most this many."
)


def print_list(
    method: grpc.UnaryUnaryMultiCallable[Any, Any],
    request: Any,
    field: str,
    limit: int,
    columns: Sequence[str],
    as_json: bool,
) -> None:
    """The first ``limit`` resources that ``method`` lists in ``field``, and on stderr whether there are more.

    ``request`` asks for pages, one after the other.
    """
    found: list[Message] = []
    while len(found) < limit:
        request.page_size = min(limit - len(found), PAGE_SIZE_MAX)
        page = call(method, request)
        found += getattr(page, field)
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    print_many(found, columns, as_json)
    if request.page_token and not as_json:
        click.echo(f"there are more than {limit}; see --limit", err=True)
