"""Ends experiments that harm: looks again and again whether an arm does worse than the control."""

from __future__ import annotations

import logging
import time

from payflow.commands.call import Call, commit
from payflow.commands.ports import Ports
from payflow.domain.errors import PayFlowError
from payflow.domain.folding.submission import Origin
from payflow.domain.routing.commands import StopExperiment
from payflow.domain.routing.experiment import Experiment, StopReason
from payflow.domain.routing.results import harmful_arm, results_of

log = logging.getLogger(__name__)

BATCH_MAX = 1_000
READ_TIMEOUT_S = 10.0


class Guardrails:
    """Watches over the experiments of all merchants."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def check(self) -> int:
        """Looks at every experiment that runs, BATCH_MAX at most, and says how many it ended."""
        running = self._ports.routing.running_experiments(BATCH_MAX, time.monotonic() + READ_TIMEOUT_S)
        return sum(self._ends(experiment) for experiment in running)

    def _ends(self, experiment: Experiment) -> bool:
        """Whether it was ended now; what fails for one is left for the next time."""
        try:
            return self._end_if_harmful(experiment)
        except PayFlowError as error:
            log.info("left for later: %s", error)
        except Exception:
            log.exception("the guardrail of %s failed", experiment.id)
        return False

    def _end_if_harmful(self, experiment: Experiment) -> bool:
        deadline = time.monotonic() + READ_TIMEOUT_S
        tallies = self._ports.routing.tallies(experiment.merchant_id, experiment.id, deadline)
        arm = harmful_arm(results_of(experiment, tallies), experiment.guardrail)
        if not arm:
            return False
        command = StopExperiment(experiment.merchant_id, experiment.id, StopReason.GUARDRAIL, arm)
        commit(self._ports, Call(Origin("worker:guardrails", experiment.id), None), lambda _: command)
        log.warning(
            "an experiment was stopped: an arm approves too few payments",
            extra={"experiment_id": experiment.id, "arm": arm},
        )
        return True
