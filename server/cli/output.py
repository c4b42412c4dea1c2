"""Resources on the terminal: as JSON like the HTTP API's, or as a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from payflow.v1.merchant_pb2 import Merchant, PspAccount
from server.gateway.json_encoder import MessageEncoder

Resource = Merchant | PspAccount


def print_one(resource: Resource, as_json: bool) -> None:
    """One resource: a line for each field."""
    values = _values(resource)
    if as_json:
        click.echo(json.dumps(values, indent=2, ensure_ascii=False))
        return
    width = max(map(len, values))
    for name, value in values.items():
        click.echo(f"{name:<{width}}  {_cell(value)}")


def print_many(resources: Sequence[Resource], columns: Sequence[str], as_json: bool) -> None:
    """Several resources: a row for each, with ``columns``; as JSON, an array of whole resources."""
    rows = [_values(resource) for resource in resources]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    cells = [[name.upper() for name in columns]]
    cells += [[_cell(row.get(name, "")) for name in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row_cells in cells:
        padded = (cell.ljust(width) for cell, width in zip(row_cells, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _values(resource: Resource) -> dict[str, Any]:
    return MessageEncoder(resource.DESCRIPTOR, {})(resource)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(value).split())
