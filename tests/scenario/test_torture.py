"""The ledger under load and kills, every answer checked against one serial order.

PAYFLOW_TORTURE_S says for how many seconds, PAYFLOW_TORTURE_TRANSACTIONS for how many acknowledged
transactions; the longer of the two counts. PAYFLOW_TORTURE_SEED makes the decisions of an earlier run again;
how they meet is up to the machine.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.torture.run import Plan, torture
from tests.torture.victims import POSTGRES, SERVER

SHORT_S = "8"
SHORT_SEED = "20"


@pytest.mark.timeout(0)
def test_torture(tmp_path: Path) -> None:
    plan = Plan(
        seed=int(os.environ.get("PAYFLOW_TORTURE_SEED", SHORT_SEED)),
        seconds=float(os.environ.get("PAYFLOW_TORTURE_S", SHORT_S)),
        transactions=int(os.environ.get("PAYFLOW_TORTURE_TRANSACTIONS", "0")),
    )
    print(f"PAYFLOW_TORTURE_SEED={plan.seed}", flush=True)
    report = torture(plan, tmp_path)
    print(report)
    assert report.violations == [], f"PAYFLOW_TORTURE_SEED={plan.seed}"
    assert report.kills[SERVER] > 0 and report.kills[POSTGRES] > 0
    assert report.acknowledged > 0 and report.balances_sampled > 0
    assert report.retries["UNAVAILABLE"] > 0
