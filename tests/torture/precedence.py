"""What came before what, by what was seen."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import LiteralString

import psycopg

from tests.torture import serial_order

POINTS = "SELECT invoked, answered FROM points ORDER BY point"

# Whoever saw an account at a version came behind the entry that made it and before the next; who asked for
# a past instant and got all that was recorded by then may have come much later.
SAW = """
    CREATE UNLOGGED TABLE saw AS
    SELECT point, account, version, true AS not_more FROM (
        SELECT node, account, version FROM seen_heads
        UNION ALL
        SELECT node, account, version FROM seen_balances WHERE as_of_us IS NULL
        UNION ALL
        SELECT node, named, number FROM asks WHERE reason = 'CONCURRENT_UPDATE' AND number IS NOT NULL
    ) AS seen JOIN points USING (node)
    UNION ALL
    SELECT point, account, version, true
    FROM expected_versions JOIN acknowledged USING (node) JOIN points USING (transaction_id)
    UNION ALL
    SELECT point, account, version, version <> coalesce((
        SELECT version FROM history
        WHERE history.account = seen.account AND recorded_us <= as_of_us
        ORDER BY recorded_us DESC, history.version DESC LIMIT 1), 0)
    FROM seen_balances AS seen JOIN points USING (node) WHERE as_of_us IS NOT NULL;
    ANALYZE saw
"""

ON_ACCOUNTS = "SELECT point, next_point FROM history WHERE next_point <> point"

BEFORE_SEEN = """
    SELECT entry.point, saw.point FROM saw JOIN history AS entry USING (account, version)
    WHERE entry.point <> saw.point
"""

AFTER_SEEN = """
    SELECT saw.point, entry.point FROM saw
    JOIN history AS entry ON entry.account = saw.account AND entry.version = saw.version + 1
    WHERE saw.not_more AND entry.point <> saw.point
"""

# A bulk is applied in its order.
IN_BULKS = """
    SELECT point, next_point FROM (
        SELECT point, lead(point) OVER (PARTITION BY call ORDER BY item) AS next_point
        FROM asks JOIN acknowledged USING (node) JOIN points USING (transaction_id)
    ) AS bulks
    WHERE next_point IS NOT NULL AND next_point <> point
"""

# A refusal that names what was there before, and a hold or transaction that was read with what came later.
BEHIND_OTHERS = """
    SELECT earlier.point, observer.point FROM (
        SELECT node, named AS transaction_id FROM asks WHERE reason = 'TRANSACTION_EXISTS'
        UNION ALL
        SELECT node, later.id FROM asks JOIN stored_transactions AS later ON later.resolves = target
        WHERE reason = 'INVALID_STATE_TRANSITION' AND kind <> 'reverse'
        UNION ALL
        SELECT node, later.id FROM asks JOIN stored_transactions AS later ON later.reverses = target
        WHERE reason = 'INVALID_STATE_TRANSITION' AND kind = 'reverse'
        UNION ALL
        SELECT node, unnest(ARRAY[transaction_id, resolved_by, reversed_by]) FROM seen_transactions
    ) AS facts
    JOIN points AS earlier USING (transaction_id)
    JOIN points AS observer ON observer.node = facts.node
"""

BEFORE_OTHERS = """
    SELECT observer.point, later.point FROM (
        SELECT node, other.id FROM seen_transactions AS seen
        JOIN stored_transactions AS other ON other.resolves = seen.transaction_id WHERE resolved_by = ''
        UNION ALL
        SELECT node, other.id FROM seen_transactions AS seen
        JOIN stored_transactions AS other ON other.reverses = seen.transaction_id WHERE reversed_by = ''
    ) AS unseen
    JOIN points AS observer ON observer.node = unseen.node
    JOIN points AS later ON later.transaction_id = unseen.id
"""

EDGES: tuple[LiteralString, ...] = (
    ON_ACCOUNTS,
    BEFORE_SEEN,
    AFTER_SEEN,
    IN_BULKS,
    BEHIND_OTHERS,
    BEFORE_OTHERS,
)


def contradiction(connection: psycopg.Connection) -> list[int]:
    """Points that no order of all transactions and reads allows; ``connection`` is in a transaction."""
    connection.execute(SAW)
    invoked, answered = array("d"), array("d")
    for begun, ended in _stream(connection, POINTS):
        invoked.append(begun)
        answered.append(ended)
    edges = (edge for query in EDGES for edge in _stream(connection, query))
    return serial_order.contradiction(invoked, answered, edges)


def _stream(connection: psycopg.Connection, query: LiteralString) -> Iterator[tuple[int, int]]:
    with connection.cursor(name="stream") as cursor:
        cursor.itersize = 50_000
        cursor.execute(query)
        yield from cursor
