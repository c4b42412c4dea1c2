"""How many rows every table holds."""

from __future__ import annotations

import psycopg
from psycopg import sql

TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY table_name
"""


def row_counts(url: str) -> dict[str, int]:
    """Row count by table; two equal ones say that nothing was written between them."""
    with psycopg.connect(url) as connection:
        tables = [row[0] for row in connection.execute(TABLES)]
        count = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {}, count(*) FROM {}").format(sql.Literal(table), sql.Identifier(table))
            for table in tables
        )
        return dict(connection.execute(count).fetchall())
