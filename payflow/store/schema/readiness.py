"""Whether a database can take payments, and what is unsafe about the way it is used."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from payflow.store.database.read_pool import ReadPool
from payflow.store.schema.migrate import expected_version

SCHEMA_VERSION = "SELECT coalesce(max(version), 0) AS version FROM schema_migrations"

SAFETY = """
    SELECT current_setting('fsync') = 'on' AS fsync,
           current_setting('synchronous_commit') <> 'off' AS synchronous_commit,
           (SELECT pg_has_role(current_user, relowner, 'MEMBER')
            FROM pg_class WHERE oid = 'entries'::regclass) AS owner,
           EXISTS (SELECT FROM merchants WHERE mode = 'LIVE') AS live
"""


@dataclass(frozen=True, slots=True)
class Safety:
    """What a process should say about its database; ``live`` when real money is at stake."""

    warnings: tuple[str, ...]
    live: bool


def has_schema(pool: ReadPool, deadline: float) -> bool:
    """Whether every migration of this release is in: a newer schema serves an older release too."""
    try:
        row = pool.one(SCHEMA_VERSION, (), deadline)
    except psycopg.errors.UndefinedTable:
        return False
    return row is not None and row["version"] >= expected_version()


def safety(pool: ReadPool, deadline: float) -> Safety:
    """What is unsafe about the database's settings and the role."""
    row = pool.one(SAFETY, (), deadline)
    assert row is not None
    unsafe = (
        ("fsync is off: a crash of the machine loses payments", not row["fsync"]),
        ("synchronous_commit is off: a crash loses acknowledged payments", not row["synchronous_commit"]),
        (
            "serving as the owner of the tables: nothing keeps the application from changing them",
            row["owner"],
        ),
    )
    return Safety(tuple(warning for warning, applies in unsafe if applies), row["live"])
