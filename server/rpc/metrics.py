"""What the interceptor chain measures. Labels are bounded: methods of our services, codes and reasons."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from payflow.domain.errors import Reason

rpc_answered: Final = Counter(
    "payflow_rpc_answered", "RPCs answered, by method, gRPC code and reason.", ["method", "code", "reason"]
)
rpc_seconds: Final = Histogram(
    "payflow_rpc_duration_seconds",
    "Time from the start of an RPC's work to its answer, without the wait for a thread.",
    ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
rpc_in_flight: Final = Gauge(
    "payflow_rpc_in_flight",
    "RPCs being served or waiting for a thread, looked at every second.",
    multiprocess_mode="livesum",
)


def count_refusal(method: str, reason: Reason) -> None:
    """Counts an RPC that was answered with an error."""
    rpc_answered.labels(method, reason.code, reason.name).inc()
