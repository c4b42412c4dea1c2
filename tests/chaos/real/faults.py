"""Every fault that a simulator knows, all at once, and none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

OUTAGES = 60
OUTAGE_EVERY_S = 25
OUTAGE_S = 1.5
# Whatever is still to happen at a simulator has happened so much later.
HAPPENED_AFTER_S = 60

CALM: dict[str, Any] = {"clock_offset_s": HAPPENED_AFTER_S}
# Everything is answered then, on a busy machine a little later.
PATIENT = {"SIMULATOR_TIMEOUT": "10s"}


def storm(seed: int, first_outage_after_s: float) -> dict[str, Any]:
    """A simulator's behaviour; chance is its own, from ``seed``."""
    return {
        "seed": seed,
        "latency": {"distribution": "lognormal", "median_ms": 15, "sigma": 0.7, "max_ms": 450},
        "faults": {
            "error_before": 0.02,
            "error_after": 0.02,
            "reset_before": 0.02,
            "reset_after": 0.02,
            "timeout_before": 0.01,
            "timeout_after": 0.02,
            "overloaded": 0.02,
        },
        "declines": {
            "probability": 0.12,
            "codes": {
                "acquirer_error": 4,
                "insufficient_funds": 1,
                "try_again_later": 1,
                "suspected_fraud": 1,
                "challenge_wanted": 1,
                "unheard_of": 1,
            },
        },
        "late_success": {"probability": 0.04, "after_s": 0.5},
        "deferred": {"probability": 0.15, "failing": 0.15, "after_s": 0.5},
        "later_failures": {"captures": 0.05, "refunds": 0.05, "after_s": 2.0},
        "outages": _outages(first_outage_after_s),
        "webhooks": {
            "duplicated": 0.15,
            "delayed": 0.15,
            "reordered": 0.15,
            "dropped": 0.15,
            "forged": 0.03,
            "altered": 0.03,
            "stale": 0.03,
            "future": 0.03,
            "delay_s": 1.0,
        },
    }


def darkness(seed: int) -> dict[str, Any]:
    """Hardly anything is answered, so that outcomes are unknown when it ends."""
    faults = {"timeout_before": 0.35, "timeout_after": 0.35, "reset_after": 0.1}
    return storm(seed, OUTAGE_EVERY_S) | {"faults": faults, "webhooks": {"dropped": 0.9}}


def _outages(first_after_s: float) -> list[dict[str, str]]:
    now = datetime.now(UTC)
    starts = [now + timedelta(seconds=first_after_s + OUTAGE_EVERY_S * number) for number in range(OUTAGES)]
    return [
        {
            "starts_at": start.isoformat(),
            "ends_at": (start + timedelta(seconds=OUTAGE_S)).isoformat(),
            "how": "closed" if number % 2 else "unavailable",
        }
        for number, start in enumerate(starts)
    ]
