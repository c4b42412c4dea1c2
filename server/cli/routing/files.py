"""Files of rules and experiments: JSON as the HTTP API takes it."""

from __future__ import annotations

import json
from typing import Any, TextIO, TypeVar

import click
from google.protobuf.message import Message

from server.gateway.json_decoder import InvalidValue, MessageDecoder

Request = TypeVar("Request", bound=Message)

FILE = click.File("r", encoding="utf-8")


def read_file(file: TextIO, message: type[Request]) -> Request:
    """The message that a file holds. Raises ClickException with the place of what does not fit."""
    descriptor: Any = message.DESCRIPTOR
    try:
        found = MessageDecoder(descriptor, {})(json.load(file))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file.name} is not JSON: {error}") from None
    except InvalidValue as error:
        raise click.ClickException(f"{file.name}: {error.path or 'the content'} {error.expected}") from None
    assert isinstance(found, message)
    return found
