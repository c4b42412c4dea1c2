"""Random messages of any type of the contract."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st

INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_STRING: st.text(max_size=8),
}


def _values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            return st.builds(
                Timestamp, seconds=st.integers(-62135596800, 253402300799), nanos=st.integers(0, 999_999_999)
            )
        return messages(field.message_type)
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=8)
    return INTEGERS[field.cpp_type]


def messages(descriptor: Descriptor) -> st.SearchStrategy[Message]:
    """Messages of one type, of each oneof at most one field."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for field in descriptor.fields:
        if field.containing_oneof is not None and len(field.containing_oneof.fields) > 1:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            entry = field.message_type.fields_by_name
            fields[field.name] = st.dictionaries(_values(entry["key"]), _values(entry["value"]), max_size=3)
        elif field.is_repeated:
            fields[field.name] = st.lists(_values(field), max_size=3)
        else:
            fields[field.name] = _values(field)
    several = [
        st.fixed_dictionaries({field.name: _values(field)})
        for oneof in descriptor.oneofs
        if len(oneof.fields) > 1
        for field in oneof.fields
    ]
    chosen = st.one_of(st.just({}), *several) if several else st.just({})
    rest = st.fixed_dictionaries({}, optional=fields)
    return st.builds(lambda a, b: GetMessageClass(descriptor)(**a, **b), rest, chosen)
