"""Domain enums and their protobuf twins: the same names, prefixed in protobuf."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TypeVar

from google.protobuf.descriptor import EnumDescriptor

Member = TypeVar("Member", bound=StrEnum)


@cache
def _prefix(descriptor: EnumDescriptor) -> str:
    return descriptor.values_by_number[0].name.removesuffix("UNSPECIFIED")


@cache
def number_of(descriptor: EnumDescriptor, name: str) -> int:
    """The number of the value that stands for a domain member's name."""
    return descriptor.values_by_name[_prefix(descriptor) + name].number


def member_of(descriptor: EnumDescriptor, number: int, members: type[Member]) -> Member | None:
    """The domain member that a number stands for; None for UNSPECIFIED and for unknown numbers."""
    if number == 0 or number not in descriptor.values_by_number:
        return None
    return members(descriptor.values_by_number[number].name.removeprefix(_prefix(descriptor)))
