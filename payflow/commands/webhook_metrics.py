"""Live figures of webhooks. Labels are bounded: connectors, and reasons and states of our own."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

RECEIVED = Counter(
    "payflow_webhook_events_received_total",
    "Events of verified webhooks, repetitions included.",
    ["connector"],
)
DUPLICATES = Counter(
    "payflow_webhook_events_repeated_total", "Events that had been received before.", ["connector"]
)
REJECTED = Counter(
    "payflow_webhooks_rejected_total", "Webhooks that were turned away, by reason.", ["reason"]
)
SETTLED = Counter(
    "payflow_webhook_events_settled_total",
    "Events that were applied, ignored or parked.",
    ["connector", "state"],
)
OLDEST_PENDING_S = Gauge(
    "payflow_webhook_oldest_pending_seconds",
    "Age of the oldest event that is not settled; 0 where there is none.",
    multiprocess_mode="mostrecent",
)
