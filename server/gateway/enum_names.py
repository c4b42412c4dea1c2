"""Names of enum values in JSON: lower case, without the enum's prefix."""

from __future__ import annotations

from google.protobuf.descriptor import EnumDescriptor


def enum_names(enum: EnumDescriptor) -> dict[int, str]:
    """JSON names by number, without the zero value, which JSON leaves out.

    The zero value of every enum of the contract is named `<PREFIX>UNSPECIFIED`.
    """
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.number: value.name.removeprefix(prefix).lower() for value in enum.values if value.number}
