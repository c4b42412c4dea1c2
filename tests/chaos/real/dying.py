"""``payflow serve`` and ``payflow worker``, but they kill themselves between two steps of an operation.

CHAOS_DIES_ONE_IN flows that pass one of the points of tests.killable_server the process dies, drawn from
CHAOS_SEED; it leaves the point's name in the file CHAOS_DEATHS.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from dataclasses import replace
from pathlib import Path

from payflow.commands.ports import Ports
from server.config import Settings
from server.rpc.process import serve
from server.wiring import Core, PayFlowApplication
from server.worker.process import run
from tests.killable_server import DyingConnector, DyingPipeline, Killer, KillPoint


class UnluckyKiller(Killer):
    """Spares most flows, and kills the process with any of the others."""

    def __init__(self, chance: random.Random, one_in: int, deaths: Path) -> None:
        self._chance = chance
        self._one_in = one_in
        self._deaths = deaths

    def passes(self, point: KillPoint, flow: str) -> None:
        """Mostly does nothing."""
        if self._chance.randrange(self._one_in) == 0:
            with self._deaths.open("a") as file:
                file.write(f"{point}\n")
            os.kill(os.getpid(), signal.SIGKILL)


class DyingCore(Core):
    """The core of a process that does not live long."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        chance = random.Random(f"{os.environ['CHAOS_SEED']}-{os.getpid()}")
        killer = UnluckyKiller(chance, int(os.environ["CHAOS_DIES_ONE_IN"]), Path(os.environ["CHAOS_DEATHS"]))
        self.ports = _among_dangers(self.ports, killer)


def _among_dangers(ports: Ports, killer: Killer) -> Ports:
    connectors = {name: DyingConnector(one, killer) for name, one in ports.connectors.items()}
    return replace(ports, pipeline=DyingPipeline(ports.pipeline, killer), connectors=connectors)


if __name__ == "__main__":
    environment = Settings.from_environment(os.environ)
    if sys.argv[1] == "worker":
        sys.exit(run(environment, DyingCore))
    sys.exit(serve(environment, lambda settings: PayFlowApplication(DyingCore(settings))))
