"""Live figures of consumers."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

APPLIED = Counter("payflow_consumer_applied_total", "Events that took effect.", ["consumer"])
DUPLICATES = Counter(
    "payflow_consumer_duplicates_total", "Events that had taken effect before and were dropped.", ["consumer"]
)
GAPS = Counter(
    "payflow_consumer_gaps_total",
    "Events that came without the one before them in their aggregate.",
    ["consumer"],
)
PARKED = Counter("payflow_consumer_parked_total", "Events that became dead letters.", ["consumer"])
FOREIGN = Counter("payflow_consumer_foreign_total", "Messages that are no events of PayFlow's.", ["consumer"])
LAG_S = Gauge(
    "payflow_consumer_lag_seconds",
    "From when the oldest event of the last batch happened to when it took effect, or to now while it waits.",
    ["consumer"],
    multiprocess_mode="max",
)
