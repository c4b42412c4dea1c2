"""Two simulators, two gRPC servers, a gateway and a worker: processes that die, and are started again."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from tests.chaos.real.faults import CALM, PATIENT, darkness, storm
from tests.databases import Database
from tests.ports import free_port
from tests.simulators import SECRET, Simulator, running_simulator
from tests.stack import Process, Stack, answers, serves
from tests.waiting import wait_until

# By the ids of the accounts that new test merchants have at them.
SIMULATORS = ("simulator", "simulator_b")
SERVERS = ("server-0", "server-1")
GATEWAY = "gateway"
WORKER = "worker"
EVERYBODY = (*SIMULATORS, *SERVERS, GATEWAY, WORKER)
DYING = "tests.chaos.real.dying"
DIES_ONE_IN = 300
PAUSE_S = (1.0, 3.0)
FIRST_OUTAGES_S = (6.0, 15.0)
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "RATE_LIMIT": "off",
    "LOG_FORMAT": "console",
    "DB_MAX_IDLE_CONNS": "2",
    "SIMULATOR_TIMEOUT": "500ms",
    "SIMULATOR_WEBHOOK_SECRET": SECRET,
    # A lease is as long as the slowest connector needs.
    "STRIPE_TIMEOUT": "1s",
    "ADYEN_TIMEOUT": "1s",
    # Breakers open, and soon let calls through again.
    "CB_FAILURE_THRESHOLD": "8",
    "CB_TIMEOUT": "1s",
    "CHAOS_DIES_ONE_IN": str(DIES_ONE_IN),
}


@dataclass(slots=True)
class Victims:
    """Processes by name; ``kills`` counts those that were killed from outside."""

    stack: Stack
    seed: int
    ports: dict[str, int]
    deaths: Path
    simulators: dict[str, Simulator]
    kills: Counter[str] = field(default_factory=Counter)
    _running: dict[str, Process] = field(default_factory=dict)
    _opened: ExitStack = field(default_factory=ExitStack)

    @classmethod
    @contextmanager
    def running(cls, database: Database, directory: Path, redis_url: str, seed: int) -> Iterator[Victims]:
        """All of them, with every fault on; they are ended behind it."""
        ports = {name: free_port() for name in EVERYBODY}
        deaths = directory / "deaths"
        deaths.touch()
        environment = ENVIRONMENT | {
            "DATABASE_URL": database.application_url,
            "REDIS_URL": redis_url,
            "SIMULATOR_URL": f"http://127.0.0.1:{ports[SIMULATORS[0]]}",
            "B_SIMULATOR_URL": f"http://127.0.0.1:{ports[SIMULATORS[1]]}",
            "CHAOS_SEED": str(seed),
            "CHAOS_DEATHS": str(deaths),
        }
        with ExitStack() as opened:
            simulators = {name: _simulator(opened, name, directory, ports, seed) for name in SIMULATORS}
            stack = Stack(database, simulators[SIMULATORS[0]], directory, environment)
            opened.callback(stack.stop)
            victims = cls(stack, seed, ports, deaths, simulators, _opened=opened)
            for name in (*SERVERS, GATEWAY, WORKER):
                victims._start(name)
            wait_until(victims._all_serve)
            yield victims

    @property
    def addresses(self) -> list[str]:
        """Where the servers are, whether they run or not."""
        return [f"127.0.0.1:{self.ports[name]}" for name in SERVERS]

    @property
    def deaths_by_point(self) -> Counter[str]:
        """How many processes killed themselves, by where they were."""
        return Counter(self.deaths.read_text().split())

    def have_suffered(self) -> bool:
        """Whether processes were killed, and have killed themselves, as chance has it."""
        return bool(self.kills) and bool(self.deaths_by_point)

    def torment(self, decisions: random.Random, stop: Callable[[], bool]) -> None:
        """Kills one after the other, and starts again whatever has died, until ``stop`` says so."""
        first = decisions.sample(EVERYBODY, len(EVERYBODY))
        while not stop():
            self._start_the_dead()
            # However long servers take to start, there is work to be hit.
            wait_until(lambda: stop() or any(map(serves, self.addresses)))
            time.sleep(decisions.uniform(*PAUSE_S))
            self._start_the_dead()
            name = first.pop() if first else decisions.choice(EVERYBODY)
            self._kill(name)
            self.kills[name] += 1
            time.sleep(decisions.uniform(0, 0.3))
            self._start(name)

    def darken(self) -> None:
        """Has the simulators leave nearly everything open."""
        for simulator in self.simulators.values():
            with suppress(urllib3.exceptions.HTTPError):
                simulator.behave(**darkness(self.seed))

    def clear_up(self) -> None:
        """Ends every fault, and waits for whatever PSPs have still to do and to tell.

        Servers live on and die no more, and wait for answers; there is no worker.
        """
        for name in (*SERVERS, WORKER):
            self._kill(name)
        for name in SERVERS:
            self._start(name, mortal=False)
        for name in (*SIMULATORS, GATEWAY):
            if not self._lives(name):
                self._start(name)
        wait_until(self._all_serve)
        wait_until(lambda: answers(f"http://127.0.0.1:{self.ports[GATEWAY]}"))
        for simulator in self.simulators.values():
            simulator.behave(**CALM)
        wait_until(self._all_is_told)

    def _all_serve(self) -> bool:
        return all(map(serves, self.addresses))

    def _all_is_told(self) -> bool:
        return all(simulator.webhooks_waiting() == 0 for simulator in self.simulators.values())

    def _start_the_dead(self) -> None:
        for name in EVERYBODY:
            if not self._lives(name):
                self._start(name)

    def _lives(self, name: str) -> bool:
        process = self.simulators[name] if name in SIMULATORS else self._running[name]
        return process.process.poll() is None

    def _kill(self, name: str) -> None:
        process = self.simulators[name] if name in SIMULATORS else self._running[name]
        process.kill()

    def _start(self, name: str, mortal: bool = True) -> None:
        ports = {"GRPC_PORT": str(self.ports[name]), "PROMETHEUS_PORT": str(free_port())}
        if name in SIMULATORS:
            directory, seed = self.stack.directory, self.seed
            self.simulators[name] = _simulator(self._opened, name, directory, self.ports, seed)
        elif name == GATEWAY:
            ports = {"API_PORT": str(self.ports[GATEWAY]), "GRPC_PORT": str(self.ports[SERVERS[0]])}
            self._running[name] = self.stack.start("gateway", (), **ports)
        elif mortal:
            what = "worker" if name == WORKER else "serve"
            self._running[name] = self.stack.start(name, ("-m", DYING, what), **ports)
        else:
            self._running[name] = self.stack.start("serve", (), **ports, **PATIENT)


def _simulator(opened: ExitStack, name: str, directory: Path, ports: dict[str, int], seed: int) -> Simulator:
    number = SIMULATORS.index(name)
    webhooks_to = f"http://127.0.0.1:{ports[GATEWAY]}/webhooks/{name}"
    running = running_simulator(directory / f"{name}.sqlite", ports[name], webhooks_to=webhooks_to)
    simulator = opened.enter_context(running)
    simulator.behave(**storm(seed + number, FIRST_OUTAGES_S[number]))
    return simulator
