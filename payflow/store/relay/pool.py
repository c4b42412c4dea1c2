"""The relay's own connections: what it reads and writes never waits for others' turn."""

from __future__ import annotations

from payflow.store.database.pool import Pool, PoolLimits

# Events come in the order of an index. Every other plan sorts a backlog of any size, and looks good to
# statistics that are behind. The plan has hundreds of nodes, so it is made once.
SESSION = """
    SELECT set_config('application_name', 'payflow-relay', false),
           set_config('TimeZone', 'UTC', false),
           set_config('enable_seqscan', 'off', false),
           set_config('enable_bitmapscan', 'off', false),
           set_config('enable_sort', 'off', false),
           set_config('jit', 'off', false),
           set_config('plan_cache_mode', 'force_generic_plan', false)
"""

CONNECTIONS_MAX = 2
CONNECTIONS_IDLE_MAX = 1


def relay_pool(conninfo: str) -> Pool:
    """A small pool of its own."""
    limits = PoolLimits(connections_max=CONNECTIONS_MAX, connections_idle_max=CONNECTIONS_IDLE_MAX)
    return Pool(conninfo, limits, "payflow-relay", SESSION)
