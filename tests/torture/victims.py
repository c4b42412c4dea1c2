"""Server processes and the PostgreSQL below them, each killed and started again where it was."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.databases import Database
from tests.ports import free_port
from tests.services import PostgresCluster
from tests.stack import Process, Stack, running_stack

SERVERS = 2
SERVER = "server"
POSTGRES = "postgres"
# Servers die three times as often as the database, which takes everybody down with it.
KINDS = (SERVER, SERVER, SERVER, POSTGRES)


@dataclass(slots=True)
class Victims:
    """``kills`` counts by kind."""

    cluster: PostgresCluster
    stack: Stack
    ports: list[int]
    kills: Counter[str] = field(default_factory=Counter)
    _running: dict[int, Process] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def running(cls, cluster: PostgresCluster, database: Database, directory: Path) -> Iterator[Victims]:
        """All of them serve; they are ended behind it."""
        with running_stack(database, directory) as stack:
            victims = cls(cluster, stack, [free_port() for _ in range(SERVERS)])
            for port in victims.ports:
                victims._start_server(port)
            victims.wait_until_serving()
            yield victims

    @property
    def addresses(self) -> list[str]:
        """Where the servers are, whether they run or not."""
        return [f"127.0.0.1:{port}" for port in self.ports]

    def kill_at_random(self, decisions: random.Random, over: Callable[[], bool]) -> None:
        """Kills one after the other until it is over, and each kind at least once; all run at the end."""
        first = decisions.sample([SERVER, POSTGRES], 2)
        while first or not over():
            time.sleep(decisions.uniform(0.3, 2))
            kind = first.pop() if first else decisions.choice(KINDS)
            if kind == POSTGRES:
                self._kill_postgres()
            else:
                self._kill_server(decisions.choice(self.ports), decisions.uniform(0, 0.5))
        self.wait_until_serving()

    def wait_until_serving(self) -> None:
        """Waits for every server's health check."""
        for address in self.addresses:
            self.stack.wait_until_serving(address)

    def _kill_server(self, port: int, pause_s: float) -> None:
        process = self._running.pop(port)
        assert process.process.poll() is None, process.log.read_text()
        process.kill()
        self.kills[SERVER] += 1
        time.sleep(pause_s)
        self._start_server(port)

    def _kill_postgres(self) -> None:
        # A server that is just starting would give up without its database.
        self.wait_until_serving()
        self.cluster.kill()
        self.kills[POSTGRES] += 1
        self.cluster.start()

    def _start_server(self, port: int) -> None:
        ports = {"GRPC_PORT": str(port), "PROMETHEUS_PORT": str(free_port())}
        self._running[port] = self.stack.start("serve", (), **ports)
