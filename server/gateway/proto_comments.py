"""The contract's comments, from the descriptor set that is installed beside the generated modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from google.protobuf.descriptor_pb2 import (
    FileDescriptorProto,
    FileDescriptorSet,
)

import payflow.v1


def contract_comments() -> Mapping[str, str]:
    """Comments by full name of the service, RPC, message, field, enum or value; one paragraph each."""
    content = resources.files(payflow.v1).joinpath("payflow.protoset").read_bytes()
    comments: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(content).file:
        if file.package == payflow.v1.__name__:
            for location in file.source_code_info.location:
                name = _full_name(file, location.path)
                if name and location.leading_comments:
                    comments[name] = " ".join(location.leading_comments.split())
    return comments


def _full_name(file: FileDescriptorProto, path: Sequence[int]) -> str:
    """The element that ``path`` leads to: pairs of a field number and an index, from the file down.

    Empty for what has no name of its own, such as an option or the file's package.
    """
    names = [file.package]
    element: Any = file
    if len(path) % 2:
        return ""
    for number, index in zip(path[::2], path[1::2], strict=True):
        field = element.DESCRIPTOR.fields_by_number[number]
        if not field.is_repeated:
            return ""
        element = getattr(element, field.name)[index]
        if not hasattr(element, "name"):
            return ""
        names.append(element.name)
    return ".".join(names)
