"""JSON values to protobuf messages, by converters that are made once from the descriptors."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from server.gateway.enum_names import enum_names

Decode = Callable[[Any], Any]

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,19})")
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-5][0-9])"
)


class InvalidValue(Exception):
    """A JSON value that its field cannot hold. ``path`` names the field, such as `entries[2].amount`."""

    def __init__(self, expected: str, path: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.path = path

    def inside(self, outer: str) -> InvalidValue:
        """The same, seen from one level further out."""
        separator = "." if self.path and not self.path.startswith("[") else ""
        return InvalidValue(self.expected, f"{outer}{separator}{self.path}")


class MessageDecoder:
    """Makes messages of one type from JSON objects.

    ``known`` holds the decoders that exist already, so that types may contain themselves. Raises
    TypeError for a type that JSON has no agreed form for here.
    """

    def __init__(self, descriptor: Descriptor, known: dict[str, MessageDecoder]) -> None:
        known[descriptor.full_name] = self
        self._message_class = GetMessageClass(descriptor)
        self._fields = {field.name: _field_decoder(field, known) for field in descriptor.fields}
        self._oneofs = [
            frozenset(field.name for field in oneof.fields)
            for oneof in descriptor.oneofs
            if len(oneof.fields) > 1
        ]

    def __call__(self, value: Any) -> Message:
        """The message; null fields count as absent. Raises InvalidValue."""
        if not isinstance(value, dict):
            raise InvalidValue("must be an object")
        values = {}
        for name, item in value.items():
            decode = self._fields.get(name)
            if decode is None:
                raise InvalidValue("is not a known field", name)
            if item is not None:
                try:
                    values[name] = decode(item)
                except InvalidValue as error:
                    raise error.inside(name) from None
        for oneof in self._oneofs:
            given = sorted(oneof & values.keys())
            if len(given) > 1:
                raise InvalidValue(f"excludes {given[0]}", given[1])
        return self._message_class(**values)


def message_decoder(descriptor: Descriptor, known: dict[str, MessageDecoder]) -> MessageDecoder:
    """The decoder of a message type, made when ``known`` has none yet."""
    return known.get(descriptor.full_name) or MessageDecoder(descriptor, known)


def map_entry(field: FieldDescriptor) -> Descriptor | None:
    """The message of key and value of a field that is a map; None for other fields."""
    entry = field.message_type
    return entry if entry is not None and entry.GetOptions().map_entry else None


def _field_decoder(field: FieldDescriptor, known: dict[str, MessageDecoder]) -> Decode:
    if entry := map_entry(field):
        if entry.fields_by_name["key"].cpp_type != FieldDescriptor.CPPTYPE_STRING:
            raise TypeError(f"{field.full_name}: only string keys have a JSON form")
        return _map_decoder(_value_decoder(entry.fields_by_name["value"], known))
    decode = _value_decoder(field, known)
    return _list_decoder(decode) if field.is_repeated else decode


def _value_decoder(field: FieldDescriptor, known: dict[str, MessageDecoder]) -> Decode:
    if field.message_type is not None:
        if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            return _timestamp
        if field.message_type.file.package == "google.protobuf":
            raise TypeError(f"{field.full_name}: {field.message_type.full_name} has no JSON form here")
        return message_decoder(field.message_type, known)
    if field.enum_type is not None:
        return _enum_decoder(field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes
    if field.cpp_type not in _SCALARS:
        raise TypeError(f"{field.full_name}: floating-point numbers have no place in this contract")
    return _SCALARS[field.cpp_type]


def _list_decoder(decode: Decode) -> Decode:
    def decode_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise InvalidValue("must be an array")
        items = []
        for position, item in enumerate(value):
            try:
                items.append(decode(item))
            except InvalidValue as error:
                raise error.inside(f"[{position}]") from None
        return items

    return decode_list


def _map_decoder(decode: Decode) -> Decode:
    def decode_map(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise InvalidValue("must be an object")
        items = {}
        for key, item in value.items():
            try:
                items[_string(key)] = decode(item)
            except InvalidValue as error:
                raise error.inside(f'["{key}"]') from None
        return items

    return decode_map


def _integer_decoder(low: int, high: int) -> Decode:
    def decode_integer(value: Any) -> int:
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            raise InvalidValue(f"must be an integer from {low} to {high}")
        return value

    return decode_integer


def _enum_decoder(enum: EnumDescriptor) -> Decode:
    names = enum_names(enum)
    numbers = {name: number for number, name in names.items()}
    numbers |= {enum.values_by_number[number].name: number for number in names}

    def decode_enum(value: Any) -> int:
        number = numbers.get(value) if isinstance(value, str) else None
        if number is None:
            raise InvalidValue(f"must be one of {', '.join(names.values())}")
        return number

    return decode_enum


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidValue("must be a string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidValue("must be Unicode text without lone surrogates") from None
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue("must be true or false")
    return value


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(_string(value), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValue("must be base64") from None


def _timestamp(value: Any) -> Timestamp:
    timestamp = Timestamp()
    try:
        if not _RFC_3339.fullmatch(_string(value)):
            raise ValueError(value)
        timestamp.FromJsonString(value)
    except ValueError:
        raise InvalidValue("must be a time such as 2025-01-31T12:00:00Z") from None
    return timestamp


_SCALARS: Mapping[int, Decode] = {
    FieldDescriptor.CPPTYPE_INT32: _integer_decoder(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: _integer_decoder(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: _integer_decoder(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: _integer_decoder(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_BOOL: _boolean,
    FieldDescriptor.CPPTYPE_STRING: _string,
}
