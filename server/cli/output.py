"""Resources on the terminal: as JSON like the HTTP API's, or as a table."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any

import click
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from payflow.wire.json_encoder import MessageEncoders
from server.gateway.enum_names import enum_names


def print_one(resource: Message, as_json: bool) -> None:
    """One resource: a line for each field."""
    if as_json:
        print_json(resource)
    else:
        print_fields({name: _cell(value) for name, value in _values(resource).items()})


def print_many(resources: Sequence[Message], columns: Sequence[str], as_json: bool) -> None:
    """Several resources: a row for each, with ``columns``; as JSON, an array of whole resources."""
    rows = [_values(resource) for resource in resources]
    if as_json:
        _echo_json(rows)
        return
    cells = ([_cell(row.get(name, "")) for name in columns] for row in rows)
    print_table([name.upper() for name in columns], cells)


def print_json(resource: Message) -> None:
    """One resource as the HTTP API has it."""
    _echo_json(_values(resource))


def print_fields(values: Mapping[str, str]) -> None:
    """A line for each, its name first."""
    width = max(map(len, values))
    for name, value in values.items():
        click.echo(f"{name:<{width}}  {value}".rstrip())


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], right_aligned: Container[str] = ()
) -> None:
    """A row for each under the names of the columns; those ``right_aligned`` hold numbers."""
    cells = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (
            cell.rjust(width) if name in right_aligned else cell.ljust(width)
            for cell, name, width in zip(row, columns, widths, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


def time_text(at: Timestamp) -> str:
    """Always to the microsecond, so that columns align and a time can be asked for again."""
    return at.ToDatetime(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _values(resource: Message) -> dict[str, Any]:
    descriptor: Any = resource.DESCRIPTOR
    return MessageEncoders(enum_names).of(descriptor)(resource)


def _echo_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(value).split())
