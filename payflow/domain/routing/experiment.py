"""A/B experiments: arms with rules of their own, and which of them a payment belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from payflow.domain.routing.draws import draw
from payflow.domain.routing.rules import RuleSet


class ExperimentStatus(StrEnum):
    """Whether payments are still assigned."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


class StopReason(StrEnum):
    """Why an experiment ended."""

    REQUESTED = "REQUESTED"
    GUARDRAIL = "GUARDRAIL"


@dataclass(frozen=True, slots=True)
class Arm:
    """So many percent of the payments, which go by ``rules``; None are the merchant's as they stand."""

    name: str
    share_percent: int
    rules: RuleSet | None = None


@dataclass(frozen=True, slots=True)
class Guardrail:
    """Ends an experiment that harms: an arm of at least ``samples_min`` payments, like the control arm, whose
    approval rate is below the control's by more than ``margin_bps`` hundredths of a percentage point."""

    margin_bps: int = 100
    samples_min: int = 200


@dataclass(frozen=True, slots=True)
class Experiment:
    """The first of ``arms`` is the control that the others are compared with.

    ``version`` is that of the merchant's routing at which it last changed; ``stopped_for`` is the arm that
    the guardrail stopped it for.
    """

    id: str
    merchant_id: str
    name: str
    arms: tuple[Arm, ...]
    guardrail: Guardrail
    version: int
    started_at: datetime
    status: ExperimentStatus = ExperimentStatus.RUNNING
    stop_reason: StopReason | None = None
    stopped_for: str = ""
    stopped_at: datetime | None = None

    @property
    def is_running(self) -> bool:
        """Whether payments are assigned to it."""
        return self.status is ExperimentStatus.RUNNING

    def arm_of(self, seed: int) -> Arm:
        """The arm of the payment with this seed: always the same, and independent of other experiments."""
        chance = draw(seed, f"experiment:{self.id}") * 100
        for arm in self.arms:
            chance -= arm.share_percent
            if chance < 0:
                return arm
        return self.arms[-1]
