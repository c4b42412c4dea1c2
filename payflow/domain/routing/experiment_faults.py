"""What is wrong with an experiment: every fault with its place, such as ``arms[1].share_percent``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence

from payflow.domain.errors import FieldViolation
from payflow.domain.routing.experiment import Arm, Guardrail
from payflow.domain.routing.rule_faults import fault_of_name, faults_of_rules

ARMS_MIN = 2
ARMS_MAX = 5
MARGIN_BPS_MAX = 5_000
SAMPLES_MIN_LEAST = 100
SAMPLES_MIN_MOST = 1_000_000


def faults_of_experiment(
    arms: Sequence[Arm], guardrail: Guardrail, psp_account_ids: Container[str]
) -> Iterator[FieldViolation]:
    """Those of an experiment; its rules may name no other accounts than these."""
    if not ARMS_MIN <= len(arms) <= ARMS_MAX:
        yield FieldViolation("arms", f"must be {ARMS_MIN} to {ARMS_MAX} arms")
    names = Counter(arm.name for arm in arms)
    for number, arm in enumerate(arms[:ARMS_MAX]):
        here = f"arms[{number}]"
        yield from fault_of_name(f"{here}.name", arm.name, names)
        if not 0 < arm.share_percent < 100:
            yield FieldViolation(f"{here}.share_percent", "must be from 1 to 99")
        if arm.rules is not None:
            yield from faults_of_rules(arm.rules, psp_account_ids, f"{here}.rules.")
    if sum(arm.share_percent for arm in arms) != 100:
        yield FieldViolation("arms", "must have shares that add up to 100 percent")
    yield from _faults_of_guardrail(guardrail)


def _faults_of_guardrail(guardrail: Guardrail) -> Iterator[FieldViolation]:
    if not 0 <= guardrail.margin_bps <= MARGIN_BPS_MAX:
        yield FieldViolation("guardrail.margin_bps", f"must be from 0 to {MARGIN_BPS_MAX}")
    if not SAMPLES_MIN_LEAST <= guardrail.samples_min <= SAMPLES_MIN_MOST:
        bounds = f"must be from {SAMPLES_MIN_LEAST} to {SAMPLES_MIN_MOST}"
        yield FieldViolation("guardrail.samples_min", bounds)
