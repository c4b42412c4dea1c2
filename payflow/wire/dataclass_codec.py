"""Copies dataclasses into protobuf messages with fields of the same names, and back."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from payflow.domain.ledger.transaction import DraftTransaction
from payflow.wire.enums import member_of, number_of

Value = TypeVar("Value")


def fill(message: Message, value: Any) -> None:
    """Copies every field of the dataclass ``value`` that is not None into ``message``."""
    source: Any = type(value)
    for name, write in _writers(source, message.DESCRIPTOR):
        content = getattr(value, name)
        if content is not None:
            write(message, name, content)


@cache
def _writers(source: Any, descriptor: Descriptor) -> list[tuple[str, Callable[[Message, str, Any], None]]]:
    return [(field.name, _writer(descriptor.fields_by_name[field.name])) for field in fields(source)]


def _writer(field: FieldDescriptor) -> Callable[[Message, str, Any], None]:
    if field.enum_type is not None:
        enum = field.enum_type
        return lambda message, name, content: setattr(message, name, number_of(enum, content.value))
    if field.message_type is None:
        return _extend if field.is_repeated else setattr
    if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
        return lambda message, name, content: getattr(message, name).FromDatetime(content)
    return _fill_all if field.is_repeated else _fill_one


def _fill_one(message: Message, name: str, content: Any) -> None:
    part = getattr(message, name)
    part.SetInParent()
    fill(part, content)


def _fill_all(message: Message, name: str, content: Any) -> None:
    parts = getattr(message, name)
    for item in content:
        fill(parts.add(), item)


def _extend(message: Message, name: str, content: Any) -> None:
    getattr(message, name).extend(content)


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
        return _tuple_reader(name, get_args(hint)[0])
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _enum_reader(name, hint)
    return lambda message: _present(message, name, lambda content: content, optional)


def _tuple_reader(name: str, item: Any) -> Callable[[Message], Any]:
    if is_dataclass(item):
        nested: Any = item
        return lambda message: tuple(parse(part, nested) for part in getattr(message, name))
    return lambda message: tuple(getattr(message, name))


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
