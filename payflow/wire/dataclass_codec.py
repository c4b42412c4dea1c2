"""Copies dataclasses into protobuf messages with fields of the same names, and back."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from google.protobuf.message import Message

from payflow.domain.ledger.transaction import DraftTransaction
from payflow.wire.enums import member_of, number_of

Value = TypeVar("Value")


def fill(message: Message, value: Any) -> None:
    """Copies every field of the dataclass ``value`` that is not None into ``message``."""
    for field in fields(value):
        content = getattr(value, field.name)
        if content is not None:
            _set(message, field.name, content)


def _set(message: Message, name: str, content: Any) -> None:
    if isinstance(content, datetime):
        getattr(message, name).FromDatetime(content)
    elif is_dataclass(content):
        getattr(message, name).SetInParent()
        fill(getattr(message, name), content)
    elif isinstance(content, tuple):
        for item in content:
            fill(getattr(message, name).add(), item)
    elif isinstance(content, StrEnum):
        setattr(message, name, number_of(message.DESCRIPTOR.fields_by_name[name].enum_type, content.value))
    else:
        setattr(message, name, content)


def parse(message: Message, target: type[Value]) -> Value:
    """The dataclass that ``fill`` made ``message`` from. Fields that ``target`` does not have are skipped."""
    chosen: Any = target
    return target(**{name: read(message) for name, read in _readers(chosen).items()})


@cache
def _readers(target: Any) -> dict[str, Callable[[Message], Any]]:
    hints = get_type_hints(target)
    return {field.name: _reader(field.name, hints[field.name]) for field in fields(target)}


def _reader(name: str, hint: Any) -> Callable[[Message], Any]:
    hint, optional = _strip_optional(hint)
    if hint is datetime:
        return lambda message: _present(message, name, lambda part: part.ToDatetime(UTC), optional)
    if is_dataclass(hint):
        nested: Any = hint
        return lambda message: _present(message, name, lambda part: parse(part, nested), optional)
    if get_origin(hint) is tuple:
        item = get_args(hint)[0]
        return lambda message: tuple(parse(part, item) for part in getattr(message, name))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _enum_reader(name, hint)
    return lambda message: getattr(message, name)


def _enum_reader(name: str, members: type[StrEnum]) -> Callable[[Message], Any]:
    def read(message: Message) -> Any:
        descriptor: Any = message.DESCRIPTOR.fields_by_name[name].enum_type
        return member_of(descriptor, getattr(message, name), members)

    return read


def _present(message: Message, name: str, convert: Callable[[Any], Any], optional: bool) -> Any:
    if optional and not message.HasField(name):
        return None
    return convert(getattr(message, name))


def _strip_optional(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    # A stored transaction is always booked: drafts exist only between a decision and its booking.
    options = [one for one in get_args(hint) if one not in (type(None), DraftTransaction)]
    return options[0], type(None) in get_args(hint)
