"""Reads a request's bytes strictly: valid protobuf and no field that the contract does not know."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from payflow.domain.errors import PayFlowError, Reason, invalid_field


def read_request(parse: Callable[[bytes], Message], raw: bytes) -> Message:
    """The message in ``raw``. Raises VALIDATION_FAILED where it is broken or has an unknown field."""
    try:
        message = parse(raw)
    except DecodeError:
        raise PayFlowError(Reason.VALIDATION_FAILED, "the request is not a valid protobuf message") from None
    # Nested ones count in the size too. Four calls into C; walking every message in Python costs far more.
    size_bytes = message.ByteSize()
    message.DiscardUnknownFields()
    if message.ByteSize() != size_bytes:
        raise invalid_field(_unknown_field(parse(raw)), "unknown field")
    return message


def _unknown_field(message: Message, path: str = "") -> str:
    """Where the first unknown field is, such as ``entries[2].#99``; empty where there is none."""
    unknown = UnknownFieldSet(message)
    if len(unknown) > 0:
        return f"{path}#{unknown[0].field_number}"
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for place, child in _children(field, value):
                found = _unknown_field(child, f"{path}{place}.")
                if found:
                    return found
    return ""


def _children(field: FieldDescriptor, value: Message | list[Message]) -> list[tuple[str, Message]]:
    if isinstance(value, Message):
        return [(field.name, value)]
    return [(f"{field.name}[{index}]", child) for index, child in enumerate(value)]
