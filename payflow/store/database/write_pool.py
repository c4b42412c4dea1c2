"""Connections for what is written beside the commit pipeline, one statement at a time."""

from __future__ import annotations

from payflow.store.database.pool import Pool, PoolLimits

# Few rows of large tables, looked up one by one: statistics that are behind must not say otherwise.
SESSION = """
    SELECT set_config('application_name', 'payflow-inbox', false),
           set_config('TimeZone', 'UTC', false),
           set_config('enable_seqscan', 'off', false),
           set_config('enable_hashjoin', 'off', false),
           set_config('enable_mergejoin', 'off', false)
"""

CONNECTIONS_MAX = 4
CONNECTIONS_IDLE_MAX = 1


def write_pool(conninfo: str) -> Pool:
    """A small pool of its own: reads that take all of theirs keep no webhook out."""
    limits = PoolLimits(connections_max=CONNECTIONS_MAX, connections_idle_max=CONNECTIONS_IDLE_MAX)
    return Pool(conninfo, limits, "payflow-inbox", SESSION)
