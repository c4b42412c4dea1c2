"""Payments over two PSPs with everything going wrong that can, in memory and from a seed, and an auditor.

PAYFLOW_CHAOS_SEED repeats one run, which is the same every time. PAYFLOW_CHAOS_RUNS says how many there are,
from seed 0 on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from tests.chaos.auditor import audit
from tests.chaos.bugs.bug import Bug
from tests.chaos.bugs.every import BUGS
from tests.chaos.simulation import simulate
from tests.chaos.telling import told

SEED = os.environ.get("PAYFLOW_CHAOS_SEED")
RUNS = int(os.environ.get("PAYFLOW_CHAOS_RUNS", "50"))
PAYMENTS = 40
# Each bug shows within so many runs.
BUG_RUNS_MAX = 20
BUG_PAYMENTS = 25


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Everything that goes wrong would be logged."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(0)
def test_no_run_shows_anything_wrong() -> None:
    effects = 0
    for seed in range(RUNS) if SEED is None else [int(SEED)]:
        evidence = simulate(seed, PAYMENTS)
        findings = audit(evidence)
        assert findings == [], f"PAYFLOW_CHAOS_SEED={seed}\n{told(evidence, findings)}"
        effects += len(evidence.effects)
    print(f"{effects} movements at PSPs")
    assert effects > 0


def test_a_run_is_the_same_whenever_it_is_repeated() -> None:
    assert simulate(7, PAYMENTS) == simulate(7, PAYMENTS)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_an_auditor_catches(bug: Bug) -> None:
    for seed in range(BUG_RUNS_MAX):
        with bug.on():
            findings = audit(simulate(seed, BUG_PAYMENTS, bug.weather))
        if bug.caught_by in {finding.wrong for finding in findings}:
            break
    else:
        raise AssertionError(f"in {BUG_RUNS_MAX} runs: {bug.says}")
    evidence = simulate(seed, BUG_PAYMENTS, bug.weather)
    without = audit(evidence)
    assert without == [], f"seed {seed}, without the bug\n{told(evidence, without)}"
