"""Live figures of the relay."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

PUBLISHED = Counter("payflow_relay_published_total", "Events that were delivered, repetitions included.")
FAILURES = Counter(
    "payflow_relay_failures_total",
    "Rounds that failed: the database, the broker or the way to them was away.",
)
REFUSALS = Counter("payflow_relay_refusals_total", "Tries at events that were refused for good.")
PARKED = Counter("payflow_relay_parked_total", "Events that became dead letters.")
DISORDER = Counter(
    "payflow_relay_disorder_total",
    "Events that were held back because the one before them was not published; any is a bug.",
)
BEGUN_AGAIN = Counter(
    "payflow_relay_begun_again_total", "How often everything was published again: the topic had lost its log."
)
PARTS = Gauge(
    "payflow_relay_parts", "Parts that this relay holds, of 16 in all.", multiprocess_mode="livesum"
)
LAG_S = Gauge(
    "payflow_relay_lag_seconds",
    "Age of the oldest event that is not published; alarm on minutes.",
    multiprocess_mode="max",
)
LAG_EVENTS = Gauge(
    "payflow_relay_lag_events",
    "Events that are not published, counted up to 100,000.",
    multiprocess_mode="max",
)
HELD_BACK_S = Gauge(
    "payflow_relay_held_back_seconds",
    "For how long the oldest open transaction has held the relay back; alarm on a minute.",
    multiprocess_mode="max",
)
