"""Payments through processes that are killed, over two simulated PSPs with every fault on; then the audit.

PAYFLOW_CHAOS_PAYMENTS says how many there are. PAYFLOW_CHAOS_SEED makes the decisions of an earlier run
again: what callers ask for, what PSPs do with each reference, who is killed; how they meet is up to the
machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.real.run import chaos
from tests.chaos.telling import told
from tests.databases import Database

SHORT = "300"
PAYMENTS = int(os.environ.get("PAYFLOW_CHAOS_PAYMENTS", SHORT))
SEED = int(os.environ.get("PAYFLOW_CHAOS_SEED", time.time_ns() % 1_000_000))


@pytest.mark.timeout(0)
def test_chaos(new_database: Callable[[], Database], tmp_path: Path, valkey_url: str) -> None:
    print(f"PAYFLOW_CHAOS_SEED={SEED}", flush=True)
    report = chaos(SEED, PAYMENTS, new_database(), tmp_path, valkey_url)
    print(report)
    assert report.findings == [], f"PAYFLOW_CHAOS_SEED={SEED}\n{told(report.evidence, report.findings)}"
    assert len(report.evidence.intents) >= PAYMENTS * 0.9
    assert report.kills.total() > 0 and report.deaths.total() > 0
    assert all(report.happened[name] for name in ("payment_intent.failed_over", "attempt.resumed"))
