"""Two servers, a worker and the PSP, each killed and started again where it was."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.databases import Database
from tests.ports import free_port
from tests.simulators import running_simulator
from tests.stack import Process, Stack, running_stack, serves
from tests.waiting import wait_until

SERVERS = 2
PSP = "psp"
WORKER = "worker"
PSP_TIMEOUT_S = 0.5
# So that operations spend most of their time between the two commits, where a kill hurts.
PSP_ANSWERS_AFTER_S = 0.05


@dataclass(slots=True)
class KilledStack:
    """Processes by name: ``server-0``, ``server-1``, ``worker``, ``psp``."""

    stack: Stack
    ports: dict[str, int]
    kills: Counter[str] = field(default_factory=Counter)
    _running: dict[str, Process] = field(default_factory=dict)
    _simulators: ExitStack = field(default_factory=ExitStack)

    @classmethod
    @contextmanager
    def running(cls, database: Database, directory: Path, redis_url: str) -> Iterator[KilledStack]:
        """All of them; they are ended behind it."""
        ports = {f"server-{number}": free_port() for number in range(SERVERS)}
        environment = {"REDIS_URL": redis_url, "SIMULATOR_TIMEOUT": f"{PSP_TIMEOUT_S}s"}
        with running_stack(database, directory, **environment) as stack, ExitStack() as simulators:
            killed = cls(stack, ports, _simulators=simulators)
            stack.simulator.behave(hang_s=PSP_ANSWERS_AFTER_S)
            killed.start_servers_and_worker()
            for address in killed.addresses:
                stack.wait_until_serving(address)
            yield killed

    @property
    def addresses(self) -> list[str]:
        """Where the servers are, whether they run or not."""
        return [f"127.0.0.1:{port}" for port in self.ports.values()]

    def kill_at_random(self, decisions: random.Random, stop: Callable[[], bool]) -> None:
        """Kills one after the other until ``stop`` says so; the PSP runs at the end."""
        names = [*self.ports, WORKER, PSP]
        first = decisions.sample(names, len(names))
        # When the PSP dies its callers wait for a check, and servers have little to lose for a while.
        often = [*names, *self.ports, *self.ports]
        while not stop():
            # However long a server takes to start, there is work to be hit.
            wait_until(lambda: any(map(serves, self.addresses)))
            time.sleep(decisions.uniform(0.3, 1.5))
            name = first.pop() if first else decisions.choice(often)
            self._kill(name)
            time.sleep(decisions.uniform(0, 0.5))
            self._start(name)

    def kill_servers_and_worker(self) -> None:
        """All at once; the PSP lives on."""
        for process in self._running.values():
            process.process.kill()
        for name in list(self._running):
            self._kill(name)

    def start_servers_and_worker(self) -> None:
        """Starts them without waiting until they serve."""
        for name in (*self.ports, WORKER):
            self._start(name)

    def _kill(self, name: str) -> None:
        if name == PSP:
            self.stack.simulator.kill()
        else:
            process = self._running.pop(name)
            alive = process.process.poll() is None
            assert alive or process.process.returncode < 0, process.log.read_text()
            process.kill()
        self.kills[name] += 1

    def _start(self, name: str) -> None:
        if name == PSP:
            port = self.stack.simulator.address()[1]
            data = self.stack.directory / "simulator.sqlite"
            self.stack.simulator = self._simulators.enter_context(running_simulator(data, port))
            self.stack.simulator.behave(hang_s=PSP_ANSWERS_AFTER_S)
        elif name == WORKER:
            self._running[name] = self.stack.worker()
        else:
            ports = {"GRPC_PORT": str(self.ports[name]), "PROMETHEUS_PORT": str(free_port())}
            self._running[name] = self.stack.start("serve", (), **ports)
