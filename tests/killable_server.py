"""``payflow serve``, but it kills itself once enough payments are at one point of their way.

KILL_POINT names the point. Every operation that arrives there waits; the one that makes them KILL_FLOWS
sends SIGKILL to the process. Its clock is CLOCK_BEHIND_S behind, so that the leases it leaves have run out.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import replace
from enum import StrEnum

from payflow.commands.ports import Pipeline
from payflow.domain.folding.submission import Result, Submission
from payflow.domain.intent.commands import (
    RecordOutcome,
    StartAuthorize,
    StartCancel,
    StartCapture,
    StartRefund,
)
from payflow.domain.psp_outcome import Outcome
from payflow.psp.connector import Connector, PspCall
from server.config import Settings
from server.rpc.process import serve
from server.wiring import Core, PayFlowApplication
from tests.patience import be_patient
from tests.turned_clock import ShiftedClock
from tests.wrapped_connector import WrappedConnector

STARTING = (StartAuthorize, StartCapture, StartCancel, StartRefund)


class KillPoint(StrEnum):
    """Where an operation stands."""

    BEFORE_COMMIT_1 = "before_commit_1"
    AFTER_COMMIT_1 = "after_commit_1"
    PSP_EXECUTED = "psp_executed"
    BEFORE_COMMIT_2 = "before_commit_2"
    AFTER_COMMIT_2 = "after_commit_2"


class Killer:
    """Holds every flow that passes the point, and kills the process when all of them are there."""

    def __init__(self, point: KillPoint, flows: int) -> None:
        self._point = point
        self._all_there = threading.Barrier(flows, action=_kill)

    def passes(self, point: KillPoint, flow: str) -> None:
        """To be called by a flow that has come to ``point``; it stays there if that is the one to die at."""
        if point is self._point:
            print(f"at {point}: {flow}", file=sys.stderr, flush=True)
            self._all_there.wait()


class DyingPipeline:
    """The pipeline, with the points around its commits. Fulfils payflow.commands.ports.Pipeline."""

    def __init__(self, inner: Pipeline, killer: Killer) -> None:
        self._inner = inner
        self._killer = killer

    def commit(self, submission: Submission, deadline: float | None, *, always: bool = False) -> Result:
        """Commits."""
        command = submission.command
        if isinstance(command, STARTING):
            around = (KillPoint.BEFORE_COMMIT_1, KillPoint.AFTER_COMMIT_1)
        elif isinstance(command, RecordOutcome):
            around = (KillPoint.BEFORE_COMMIT_2, KillPoint.AFTER_COMMIT_2)
        else:
            return self._inner.commit(submission, deadline, always=always)
        self._killer.passes(around[0], command.intent_id)
        result = self._inner.commit(submission, deadline, always=always)
        self._killer.passes(around[1], command.intent_id)
        return result


class DyingConnector(WrappedConnector):
    """The connector, with the point behind its call."""

    def __init__(self, inner: Connector, killer: Killer) -> None:
        super().__init__(inner)
        self._killer = killer

    def execute(self, call: PspCall) -> Outcome:
        """Executes; the outcome is not known to anybody when the process dies."""
        outcome = self.inner.execute(call)
        self._killer.passes(KillPoint.PSP_EXECUTED, call.psp_key.rpartition("-")[0])
        return outcome


def build_application(settings: Settings) -> PayFlowApplication:
    """The application, with the killer in its ports."""
    core = Core(settings, ShiftedClock(-float(os.environ["CLOCK_BEHIND_S"])))
    killer = Killer(KillPoint(os.environ["KILL_POINT"]), int(os.environ["KILL_FLOWS"]))
    connectors = {name: DyingConnector(one, killer) for name, one in core.ports.connectors.items()}
    pipeline = DyingPipeline(core.ports.pipeline, killer)
    core.ports = replace(core.ports, pipeline=pipeline, connectors=connectors)
    return PayFlowApplication(core)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    be_patient()
    sys.exit(serve(Settings.from_environment(os.environ), build_application))
