"""PayFlow inside the test's own process, under a clock that the test turns; only the PSP is apart."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from payflow.commands.ports import Ports
from payflow.domain.clock import Clock
from payflow.domain.psp_outcome import Outcome, Unknown
from payflow.psp.connector import Connector, PspCall
from server.config import Settings
from server.rpc.server import build_server
from server.wiring import Core, PayFlowApplication
from server.worker.recovery import Recovery
from tests.breakers import NEVER_OPENS
from tests.databases import Database
from tests.payments import Caller
from tests.ports import free_port
from tests.simulators import Simulator, running_simulator
from tests.turned_clock import TurnedClock
from tests.waiting import WAIT_S
from tests.wrapped_connector import WrappedConnector

# A PSP's answer is never waited for so long: what it leaves unanswered is a time-out at once.
PSP_TIMEOUT_S = 60
# The time-outs of the two calls that a recovery makes, and the margin for the commits around them.
LEASE_S = 2 * PSP_TIMEOUT_S + 5
KEY_TTL_S = 3_600.0
CLOSE_TIMEOUT_S = 10.0

T = TypeVar("T")


class WatchedConnector(WrappedConnector):
    """Notes when it was asked what, and can lose the answers."""

    def __init__(self, inner: Connector, clock: Clock) -> None:
        super().__init__(inner)
        self.executed: list[datetime] = []
        self.looked_up: list[datetime] = []
        self.shut_out: list[datetime] = []
        self.loses_answers = False
        self._clock = clock

    def execute(self, call: PspCall) -> Outcome:
        """Executes."""
        self.executed.append(self._clock.now())
        return self._told(self.inner.execute(call))

    def look_up(self, call: PspCall) -> Outcome | None:
        """Looks up."""
        self.looked_up.append(self._clock.now())
        return self._told(self.inner.look_up(call))

    def cancel_by_reference(self, call: PspCall) -> Outcome:
        """Shuts out."""
        self.shut_out.append(self._clock.now())
        return self._told(self.inner.cancel_by_reference(call))

    def _told(self, outcome: T) -> T | Unknown:
        return Unknown("the answer was lost") if self.loses_answers else outcome


class SlowConnector(WatchedConnector):
    """Its first call is not over until ``release``, and then ends in ``told`` where that is given."""

    def __init__(self, inner: Connector, clock: Clock, told: Outcome | None = None) -> None:
        super().__init__(inner, clock)
        self.arrived = threading.Event()
        self.release = threading.Event()
        self._told_in_the_end = told

    def execute(self, call: PspCall) -> Outcome:
        """Executes; the first call takes its time with the answer."""
        first = not self.executed
        outcome = super().execute(call)
        if not first:
            return outcome
        self.arrived.set()
        assert self.release.wait(WAIT_S)
        return self._told_in_the_end or outcome


@dataclass(slots=True)
class InProcess:
    """A database, a PSP, a server on them in this process, and recovery beside it."""

    database: Database
    simulator: Simulator
    clock: TurnedClock
    settings: Settings
    core: Core
    connector: WatchedConnector
    recovery: Recovery
    caller: Caller
    _simulators: ExitStack
    _data: Path

    @property
    def url(self) -> str:
        """The database, for checks from outside."""
        return self.database.owner_url

    def restart_simulator(self) -> None:
        """Starts the PSP again where it was, with what it knew."""
        port = self.simulator.address()[1]
        self.simulator = self._simulators.enter_context(running_simulator(self._data, port, silence_s=0))

    @contextmanager
    def another(self, change: Callable[[Ports], Ports] = lambda ports: ports) -> Iterator[Core]:
        """A second process' worth of PayFlow, on the same database, PSP and clock."""
        core = Core(self.settings, self.clock)
        core.ports = change(core.ports)
        try:
            yield core
        finally:
            core.close()

    @contextmanager
    def slow_caller(self, told: Outcome | None = None) -> Iterator[tuple[Caller, SlowConnector]]:
        """A caller at a second server, which waits for its first PSP call for as long as the test says."""
        slow = SlowConnector(self.connector.inner, self.clock, told)
        with self.another(lambda ports: replace(ports, connectors={slow.name: slow})) as core:
            try:
                with served(core, self.settings) as address, Caller(address) as caller:
                    yield caller, slow
            finally:
                slow.release.set()


@contextmanager
def in_process(database: Database, directory: Path, **environment: str) -> Iterator[InProcess]:
    """Everything is closed behind it. What the PSP leaves unanswered is a time-out at once: nobody waits."""
    data = directory / "simulator.sqlite"
    clock = TurnedClock()
    with ExitStack() as simulators:
        simulator = simulators.enter_context(running_simulator(data, silence_s=0))
        settings = Settings.from_environment(
            {
                "DATABASE_URL": database.application_url,
                "SIMULATOR_URL": simulator.url,
                "SIMULATOR_TIMEOUT": f"{PSP_TIMEOUT_S}s",
                "IDEMPOTENCY_TTL": f"{KEY_TTL_S:g}s",
                "DB_MAX_IDLE_CONNS": "2",
            }
            | NEVER_OPENS
            | environment
        )
        core = Core(settings, clock)
        try:
            connector = WatchedConnector(core.connectors["simulator"], clock)
            core.ports = replace(core.ports, connectors={**core.connectors, connector.name: connector})
            recovery = Recovery(core.ports, core.due)
            with served(core, settings) as address, Caller(address) as caller:
                yield InProcess(
                    database, simulator, clock, settings, core, connector, recovery, caller, simulators, data
                )
        finally:
            core.close()


@contextmanager
def served(core: Core, settings: Settings) -> Iterator[str]:
    """A gRPC server in this process, on a port of its own; its address."""
    server = build_server(replace(settings, grpc_port=free_port()), PayFlowApplication(core).bindings)
    server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        server.stop(CLOSE_TIMEOUT_S).wait(CLOSE_TIMEOUT_S)
        server.close(CLOSE_TIMEOUT_S)
