"""One statement of a batch, as it is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from payflow.domain.folding.working_set import MerchantScoped
from payflow.store import rows


@dataclass(frozen=True, slots=True)
class Statement:
    """``rows_expected`` is asserted before the commit where it is not None."""

    sql: str
    parameters: list[Any]
    rows_expected: int | None = None


def insert(sql: str, new: list[dict[str, Any]]) -> Iterable[Statement]:
    """The insertion of rows that travel as one JSON parameter; nothing when there are none."""
    if new:
        yield Statement(sql, [rows.to_json(new)], len(new))


def columns(pairs: Iterable[MerchantScoped]) -> list[Any]:
    """Pairs as the two arrays that unnest reads."""
    listed = list(pairs)
    return [[pair[0] for pair in listed], [pair[1] for pair in listed]]
