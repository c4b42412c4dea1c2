"""One statement of a batch, as it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from payflow.domain.folding.working_set import MerchantScoped
from payflow.store import rows

DictConnection = Connection[dict[str, Any]]


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


def insert_columns(sql: str, new: Sequence[tuple[Any, ...]]) -> Iterable[Statement]:
    """The insertion of rows that travel as one binary array a column; nothing when there are none.

    Cheaper than JSON on both sides, for the tables of which a batch may hold thousands of rows.
    """
    if new:
        yield Statement(sql, columns(new), len(new))


def columns(tuples: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Tuples as the arrays that unnest reads, one a column."""
    return [list(column) for column in zip(*tuples, strict=True)]


def unique(pairs: Iterable[MerchantScoped]) -> list[MerchantScoped]:
    """Each pair once, in the order in which they first came."""
    return list(dict.fromkeys(pairs))
