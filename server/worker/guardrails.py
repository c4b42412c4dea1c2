"""Ends experiments that harm: looks again and again whether an arm does worse than the control."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from payflow.commands.call import commit
from payflow.commands.ports import Ports
from payflow.domain.routing.commands import StopExperiment
from payflow.domain.routing.experiment import Experiment, StopReason
from payflow.domain.routing.results import harmful_arm, results_of
from server.worker.side_by_side import READ_TIMEOUT_S, background_call, side_by_side

log = logging.getLogger(__name__)

EXPERIMENTS_MAX = 1_000


class Guardrails:
    """Watches over the experiments of all merchants: each look at a page, the next one behind it."""

    def __init__(
        self, ports: Ports, stops: Callable[[], bool] = lambda: False, page_size: int = EXPERIMENTS_MAX
    ) -> None:
        """``stops`` says that nothing new is to be begun."""
        self._ports = ports
        self._stops = stops
        self._page_size = page_size
        self._after = ""

    def check(self) -> int:
        """Looks at a page of the experiments that run, and says how many there were on it."""
        deadline = time.monotonic() + READ_TIMEOUT_S
        running = self._ports.routing.running_experiments(self._after, self._page_size, deadline)
        side_by_side([partial(self._end_if_harmful, one) for one in running], self._stops)
        self._after = running[-1].merchant_id if len(running) == self._page_size else ""
        return len(running)

    def _end_if_harmful(self, experiment: Experiment) -> None:
        deadline = time.monotonic() + READ_TIMEOUT_S
        tallies = self._ports.routing.tallies(experiment.merchant_id, experiment.id, deadline)
        arm = harmful_arm(results_of(experiment, tallies), experiment.guardrail)
        if not arm:
            return
        command = StopExperiment(experiment.merchant_id, experiment.id, StopReason.GUARDRAIL, arm)
        commit(self._ports, background_call("worker:guardrails", experiment.id), lambda _: command)
        log.warning(
            "an experiment was stopped: an arm approves too few payments",
            extra={"experiment_id": experiment.id, "arm": arm},
        )
