"""One example of each type of event, with every field set, always the same."""

from __future__ import annotations

import types
import zlib
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

from payflow.domain.intent.events import RefundSucceeded
from payflow.domain.ledger.transaction import DraftTransaction, Layer

FROM = datetime(2026, 1, 1, tzinfo=UTC)
PSP_ACCOUNT, CURRENCY = "main", "USD"

# What fields of these names hold: values that belong together where one is derived from another.
_TOGETHER: dict[str, Any] = {
    "account_id": f"sys:psp_clearing:{PSP_ACCOUNT}:{CURRENCY}",
    "psp_account_id": PSP_ACCOUNT,
    "currency": CURRENCY,
}


def example(domain: Any) -> Any:
    """An event; numbers and times follow from the names of their fields."""
    event = _part(domain, "")
    if domain is RefundSucceeded:
        return replace(event, amount=-event.transaction.entries[0].amount)
    return event


def _part(domain: Any, path: str) -> Any:
    hints = get_type_hints(domain)
    return domain(
        **{field.name: _value(hints[field.name], f"{path}.{field.name}") for field in fields(domain)}
    )


def _value(hint: Any, path: str) -> Any:
    kept = without_none(hint)
    name = path.rpartition(".")[2]
    number = 1 + zlib.crc32(path.encode()) % 1_000
    if get_origin(kept) is tuple:
        return (_value(get_args(kept)[0], path),)
    if is_dataclass(kept):
        return _part(kept, path)
    if isinstance(kept, type) and issubclass(kept, StrEnum):
        return Layer.POSTED if kept is Layer else list(kept)[-1]
    values: dict[Any, Any] = {
        str: _TOGETHER.get(name, f"{name} {number}"),
        int: number,
        bool: True,
        bytes: bytes([number % 256]),
        datetime: FROM + timedelta(seconds=number, microseconds=number),
    }
    return values[kept]


def without_none(hint: Any) -> Any:
    """The type of a field that may be absent, and of a transaction as it was booked."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    [kept] = [one for one in get_args(hint) if one not in (type(None), DraftTransaction)]
    return kept
