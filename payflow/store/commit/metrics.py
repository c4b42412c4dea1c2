"""Live figures of the commit pipeline."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

BATCHES = Counter("payflow_commit_batches_total", "Serializable transactions committed.")
BATCH_COMMANDS = Histogram(
    "payflow_commit_batch_commands",
    "Commands in one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
BATCH_RETRIES = Counter("payflow_commit_retries_total", "Batches folded again, by SQLSTATE.", ["sqlstate"])
