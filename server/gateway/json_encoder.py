"""Protobuf messages to JSON values, by converters that are made once from the descriptors."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from server.gateway.enum_names import enum_names

Encode = Callable[[Any], Any]


class MessageEncoder:
    """Makes JSON objects from messages of one type.

    Fields without presence are always there, zero or not. Message fields that are not set, and enum
    fields that are unspecified, are left out. An enum number that this process does not know stays a
    number. ``known`` holds the encoders that exist already, so that types may contain themselves.
    """

    def __init__(self, descriptor: Descriptor, known: dict[str, MessageEncoder]) -> None:
        known[descriptor.full_name] = self
        self._fields = [
            (field.name, field.has_presence, _field_encoder(field, known)) for field in descriptor.fields
        ]

    def __call__(self, message: Message) -> dict[str, Any]:
        """The JSON object."""
        values: dict[str, Any] = {}
        for name, has_presence, encode in self._fields:
            if has_presence and not message.HasField(name):
                continue
            value = getattr(message, name)
            if encode is not None:
                value = encode(value)
                if value is None:
                    continue
            values[name] = value
        return values


def message_encoder(descriptor: Descriptor, known: dict[str, MessageEncoder]) -> MessageEncoder:
    """The encoder of a message type, made when ``known`` has none yet."""
    return known.get(descriptor.full_name) or MessageEncoder(descriptor, known)


def _field_encoder(field: FieldDescriptor, known: dict[str, MessageEncoder]) -> Encode | None:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return _map_encoder(_value_encoder(entry.fields_by_name["value"], known))
    encode = _value_encoder(field, known)
    return _list_encoder(encode) if field.is_repeated else encode


def _value_encoder(field: FieldDescriptor, known: dict[str, MessageEncoder]) -> Encode | None:
    """None where a value is its own JSON form."""
    if field.message_type is not None:
        if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            return Timestamp.ToJsonString
        if field.message_type.file.package == "google.protobuf":
            raise TypeError(f"{field.full_name}: {field.message_type.full_name} has no JSON form here")
        return message_encoder(field.message_type, known)
    if field.enum_type is not None:
        names = enum_names(field.enum_type)
        return lambda number: names.get(number, number or None)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: base64.b64encode(value).decode("ascii")
    return None


def _list_encoder(encode: Encode | None) -> Encode:
    return list if encode is None else lambda values: [encode(value) for value in values]


def _map_encoder(encode: Encode | None) -> Encode:
    if encode is None:
        return lambda values: {key: values[key] for key in sorted(values)}
    return lambda values: {key: encode(values[key]) for key in sorted(values)}
