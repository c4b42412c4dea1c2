"""JSON Schemas of the contract's messages and enums, as the JSON codec reads and writes them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from server.gateway.enum_names import enum_names
from server.gateway.json_decoder import map_entry

Schema = dict[str, Any]


class Schemas:
    """Makes schemas, described by ``comments``, and keeps those that others refer to.

    ``requests`` names the messages that callers send: they are closed and need no field. The others
    come from the server, which never leaves out a field without presence.
    """

    def __init__(self, comments: Mapping[str, str], requests: Container[str]) -> None:
        self.components: dict[str, Schema] = {}
        self._comments = comments
        self._requests = requests

    def reference(self, element: Descriptor | EnumDescriptor) -> Schema:
        """A reference to the element's schema, which is made when it is new."""
        if element.name not in self.components:
            # Put in place first: a message may refer to itself.
            schema = self.components[element.name] = {}
            schema |= self.enum(element) if isinstance(element, EnumDescriptor) else self.message(element)
        return {"$ref": f"#/components/schemas/{element.name}"}

    def message(self, message: Descriptor, without: Container[str] = ()) -> Schema:
        """An object with the message's fields, but those in ``without``."""
        fields = [field for field in message.fields if field.name not in without]
        schema = self._described(message.full_name, {"type": "object"})
        schema["properties"] = {field.name: self.field(field) for field in fields}
        if message.full_name in self._requests:
            schema["additionalProperties"] = False
        elif always := [field.name for field in fields if _is_always_there(field)]:
            schema["required"] = always
        return schema

    def field(self, field: FieldDescriptor) -> Schema:
        """The schema of a field's value; the field's comment describes it."""
        if entry := map_entry(field):
            values = self._value(entry.fields_by_name["value"])
            schema: Schema = {"type": "object", "additionalProperties": values}
        elif field.is_repeated:
            schema = {"type": "array", "items": self._value(field)}
        else:
            schema = self._value(field)
        return self._described(field.full_name, schema)

    def enum(self, enum: EnumDescriptor) -> Schema:
        """The names of the enum's values; their comments are part of its description."""
        names = enum_names(enum)
        lines = [self._comments.get(enum.full_name, "")]
        for number, name in names.items():
            comment = self._comments.get(f"{enum.full_name}.{enum.values_by_number[number].name}", "")
            lines.append(f"- `{name}`: {comment}")
        return {"type": "string", "enum": list(names.values()), "description": "\n".join(lines)}

    def _value(self, field: FieldDescriptor) -> Schema:
        if field.enum_type is not None:
            return self.reference(field.enum_type)
        if field.message_type is None:
            return dict(_BYTES if field.type == FieldDescriptor.TYPE_BYTES else _SCALARS[field.cpp_type])
        if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            return {"type": "string", "format": "date-time"}
        return self.reference(field.message_type)

    def _described(self, full_name: str, schema: Schema) -> Schema:
        comment = self._comments.get(full_name)
        return {**schema, "description": comment} if comment else schema


def reachable(messages: Iterable[Descriptor]) -> set[str]:
    """Full names of the messages and of all messages in their fields."""
    found: set[str] = set()
    waiting = list(messages)
    while waiting:
        message = waiting.pop()
        if message.full_name not in found:
            found.add(message.full_name)
            waiting += _field_messages(message)
    return found


def _field_messages(message: Descriptor) -> Iterator[Descriptor]:
    return (field.message_type for field in message.fields if field.message_type is not None)


def _is_always_there(field: FieldDescriptor) -> bool:
    return not field.has_presence and (field.is_repeated or field.enum_type is None)


_BYTES: Schema = {"type": "string", "contentEncoding": "base64"}
_SCALARS: Mapping[int, Schema] = {
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_INT64: {"type": "integer", "format": "int64"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "minimum": 0},
    FieldDescriptor.CPPTYPE_UINT64: {"type": "integer", "minimum": 0},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
}
