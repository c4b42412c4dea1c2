"""What a statement costs PostgreSQL: its plan as it is executed, and the blocks that it touches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

# Parameters as text, and as binary.
PLACEHOLDER = re.compile("%[sb]")
PLAN_CACHE_MODES = ("force_custom_plan", "force_generic_plan")
# PostgreSQL plans five times for the parameters before it compares that with a generic plan.
SETTLED_AFTER = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """One execution: blocks found in or read into the buffers, and how each relation was gone through."""

    statement: str
    mode: str
    blocks: int
    rows: int
    scans: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        scans = ", ".join(f"{kind} on {relation}" for kind, relation in self.scans)
        first = next(line.strip() for line in self.statement.splitlines() if line.strip())
        return f"{self.blocks} blocks, {self.rows} rows, {self.mode}: {first} ... [{scans}]"


def explained(connection: psycopg.Connection[Any], statement: str, parameters: Sequence[Any]) -> list[Plan]:
    """The statement executed as a prepared one, with a custom and with a generic plan.

    Nothing of it stays: the transaction that is open is rolled back to where it was.
    """
    return [_explained(connection, statement, parameters, mode) for mode in PLAN_CACHE_MODES]


def settled(connection: psycopg.Connection[Any], statement: str, parameters: Sequence[Any]) -> Plan:
    """The statement executed as a prepared one, when PostgreSQL has made up its mind which plan to keep."""
    return _explained(connection, statement, parameters, "auto", SETTLED_AFTER)


def planned_anew(connection: psycopg.Connection[Any], statement: str, parameters: Sequence[Any]) -> Plan:
    """The statement executed as planned for these parameters."""
    return _explained(connection, statement, parameters, "force_custom_plan")


def shown(connection: psycopg.Connection[Any], statement: str, parameters: Sequence[Any]) -> str:
    """The statement's plan as EXPLAIN shows it to people, without what differs from run to run."""
    options = b"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) "
    with psycopg.ClientCursor(connection, row_factory=psycopg.rows.scalar_row) as cursor:
        return "\n".join(cursor.execute(options + statement.encode(), parameters).fetchall())


def _explained(
    connection: psycopg.Connection[Any],
    statement: str,
    parameters: Sequence[Any],
    mode: str,
    executed_before: int = 0,
) -> Plan:
    placeholders = [f"${number}" for number in range(1, len(parameters) + 1)]
    connection.execute("SAVEPOINT probe")
    connection.execute(f"SET LOCAL plan_cache_mode = {mode}".encode())
    connection.execute(f"PREPARE probe AS {PLACEHOLDER.sub('{}', statement).format(*placeholders)}".encode())
    arguments = sql.SQL(", ").join(map(sql.Literal, parameters))
    call = sql.SQL("({})").format(arguments) if parameters else sql.SQL("")
    explain = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE probe {}").format(call)
    with psycopg.ClientCursor(connection) as cursor:
        for _ in range(executed_before):
            cursor.execute(sql.SQL("EXECUTE probe {}").format(call))
    with psycopg.ClientCursor(connection, row_factory=psycopg.rows.scalar_row) as cursor:
        root = cursor.execute(explain).fetchone()[0]["Plan"]  # type: ignore[index]  # there is one row
    connection.execute("DEALLOCATE probe")
    connection.execute("ROLLBACK TO SAVEPOINT probe")
    return Plan(
        statement,
        mode,
        root["Shared Hit Blocks"] + root["Shared Read Blocks"],
        int(root["Actual Rows"]),
        tuple((node["Node Type"], node["Relation Name"]) for node in _nodes(root) if "Relation Name" in node),
    )


def _nodes(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield root
    for child in root.get("Plans", ()):
        yield from _nodes(child)
