"""Relays are killed at random under load and behind a network that fails; every event arrives, in its order.

PAYFLOW_RELAY_EVENTS says how many events there are at least, PAYFLOW_RELAY_BROKER through which broker they
go: the one that the tests start by themselves, which keeps everything in memory and so is never killed, or
``apache-kafka``, which is stopped and killed as well. PAYFLOW_RELAY_SEED makes the decisions of an earlier
run again; how they meet with the load is up to the machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.databases import Database
from tests.relay.brokers import APACHE_KAFKA, TANSU
from tests.relay.run import BROKER_ENDS, KILLS, Plan, run
from tests.relay.victims import ABSORBER, RELAYS

EVENTS = "5000"


@pytest.mark.timeout(0)
def test_killed_relays_lose_nothing_and_keep_the_order(
    new_database: Callable[[], Database], tmp_path: Path
) -> None:
    plan = Plan(
        seed=int(os.environ.get("PAYFLOW_RELAY_SEED", time.time_ns() % 1_000_000)),
        events=int(os.environ.get("PAYFLOW_RELAY_EVENTS", EVENTS)),
        broker=os.environ.get("PAYFLOW_RELAY_BROKER", TANSU),
    )
    print(f"PAYFLOW_RELAY_SEED={plan.seed}", flush=True)
    report = run(plan, new_database(), tmp_path)
    print(report)
    assert report.wrong == [], f"PAYFLOW_RELAY_SEED={plan.seed}"
    assert report.committed >= plan.events
    assert report.effects == report.committed == report.arrivals - report.duplicates
    assert sum(report.kills[name] for name in RELAYS) == KILLS and report.kills[ABSORBER] > 0
    assert report.cuts > 0
    if plan.broker == APACHE_KAFKA:
        assert report.troubles["broker stopped"] + report.troubles["broker killed"] == BROKER_ENDS
