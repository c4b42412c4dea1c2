"""The checker: straight SQL as the owner over what clients saw and what is stored. It knows no PayFlow.

Everything that is wrong is named; a history without violations is one that a single serial ledger could
have given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.torture import loading, precedence, tables
from tests.torture.checks_of_answers import ANSWERS
from tests.torture.checks_of_books import BOOKS
from tests.torture.checks_of_refusals import REFUSALS

EXAMPLES_MAX = 5
NO_ORDER = "no serial order fits what was seen"
DESCRIBE = """
    SELECT points.* FROM unnest(%s::bigint[]) WITH ORDINALITY AS chain (point, place)
    JOIN points USING (point)
    ORDER BY place LIMIT 50
"""
# Sorts and hashes of millions of rows; nothing here has to survive a crash.
SESSION = "SET work_mem = '256MB'; SET synchronous_commit = off; SET jit = off"


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong, with some of the rows that say so."""

    check: str
    examples: list[tuple[Any, ...]]


def check(url: str, recordings: Iterable[Path]) -> list[Violation]:
    """Everything that is wrong with a run; what was seen stays in the database, in the schema ``torture``."""
    with psycopg.connect(url) as connection:
        connection.execute(SESSION)
        tables.create(connection)
        loading.load(connection, recordings)
        return violations(connection)


def violations(connection: psycopg.Connection) -> list[Violation]:
    """Everything that is wrong with the history in the tables."""
    tables.derive(connection)
    found = []
    for name, query in (BOOKS | ANSWERS | REFUSALS).items():
        examples = connection.execute(query).fetchmany(EXAMPLES_MAX)
        if examples:
            found.append(Violation(name, examples))
    chain = precedence.contradiction(connection)
    if chain:
        found.append(Violation(NO_ORDER, connection.execute(DESCRIBE, [chain]).fetchall()))
    return found
