"""Protobuf messages to JSON values, by converters that are made once from the descriptors."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

Encode = Callable[[Any], Any]
EnumNames = Callable[[EnumDescriptor], Mapping[int, str]]


class MessageEncoders:
    """The encoders of message types, each made once. ``enum_names`` gives JSON names by number."""

    def __init__(self, enum_names: EnumNames) -> None:
        self.enum_names = enum_names
        self._known: dict[str, MessageEncoder] = {}

    def of(self, descriptor: Descriptor) -> MessageEncoder:
        """The encoder of a message type."""
        encoder = self._known.get(descriptor.full_name)
        if encoder is None:
            # Known before it is complete: a type may contain itself.
            encoder = self._known[descriptor.full_name] = MessageEncoder()
            encoder.compile(descriptor, self)
        return encoder


class MessageEncoder:
    """Makes JSON objects from messages of one type.

    Fields without presence are always there, zero or not. Message fields that are not set are left out,
    and so is an enum field whose zero has no name. An enum number that has none stays a number.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._values: Callable[[Message], tuple[Any, ...]] = lambda message: ()
        self._encoded: list[tuple[str, Encode]] = []
        self._with_presence: list[str] = []

    def compile(self, descriptor: Descriptor, encoders: MessageEncoders) -> None:
        """Makes the converters of the type's fields."""
        for field in descriptor.fields:
            self._names.append(field.name)
            if field.has_presence:
                self._with_presence.append(field.name)
            encode = _field_encoder(field, encoders)
            if encode is not None:
                self._encoded.append((field.name, encode))
        self._values = _values_of(self._names)

    def __call__(self, message: Message) -> dict[str, Any]:
        """The JSON object."""
        values = dict(zip(self._names, self._values(message), strict=True))
        for name in self._with_presence:
            if not message.HasField(name):
                del values[name]
        for name, encode in self._encoded:
            if name in values:
                value = encode(values[name])
                if value is None:
                    del values[name]
                else:
                    values[name] = value
        return values


def _values_of(names: Sequence[str]) -> Callable[[Message], tuple[Any, ...]]:
    """Reads all of the fields at once, several times faster than one by one."""
    if len(names) < 2:
        return lambda message: tuple(getattr(message, name) for name in names)
    return attrgetter(*names)


def _field_encoder(field: FieldDescriptor, encoders: MessageEncoders) -> Encode | None:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return _map_encoder(_value_encoder(entry.fields_by_name["value"], encoders))
    encode = _value_encoder(field, encoders)
    return _list_encoder(encode) if field.is_repeated else encode


def _value_encoder(field: FieldDescriptor, encoders: MessageEncoders) -> Encode | None:
    """None where a value is its own JSON form."""
    if field.message_type is not None:
        if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            return Timestamp.ToJsonString
        if field.message_type.file.package == "google.protobuf":
            raise TypeError(f"{field.full_name}: {field.message_type.full_name} has no JSON form here")
        return encoders.of(field.message_type)
    if field.enum_type is not None:
        names = encoders.enum_names(field.enum_type)
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
