"""Protobuf messages as dicts, for comparison with what a test expects, field by field."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


def plain(message: Message) -> dict[str, Any]:
    """Every field, also those that are not set: enum values without their prefix, times in microseconds
    since 1970, None for a message that is not there."""
    return {field.name: _value(message, field) for field in message.DESCRIPTOR.fields}


def _value(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type is None:
        return _enum_name(field.enum_type, value) if field.enum_type else value
    if field.message_type.GetOptions().map_entry:
        return dict(value)
    if field.is_repeated:
        return [plain(one) for one in value]
    if not message.HasField(field.name):
        return None
    return value.ToMicroseconds() if isinstance(value, Timestamp) else plain(value)


def _enum_name(enum: EnumDescriptor, number: int) -> str:
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper()
    return str(enum.values_by_number[number].name).removeprefix(f"{prefix}_")
