"""Live figures of merchants' webhooks. Labels are bounded."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

SENT = Counter(
    "payflow_merchant_webhooks_sent_total", "Tries: delivered, refused, or refused and given_up.", ["result"]
)
DISABLED = Counter(
    "payflow_merchant_webhook_endpoints_disabled_total", "Endpoints that took nothing any more.", ["reason"]
)
DELAY_S = Histogram(
    "payflow_merchant_webhooks_delay_seconds",
    "From when a delivery was made, or asked for again, until it was accepted.",
    buckets=(0.5, 1, 2, 5, 15, 60, 300, 1_800, 7_200, 28_800, 86_400, 259_200),
)
