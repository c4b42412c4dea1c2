"""Two relays and a consumer, each killed and started again; two servers, which live on."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.databases import Database
from tests.relay.brokers import TOPIC, Broker
from tests.relay.load import CALLERS
from tests.stack import Process, Stack, running_stack
from tests.waiting import wait_until

SERVERS = 2
RELAYS = ("relay-0", "relay-1")
ABSORBER = "absorber"
READY = b"worker ready"
PROGRAMS = {
    **dict.fromkeys(RELAYS, ("-m", "server.cli.main", "worker", "relay")),
    ABSORBER: ("-m", "tests.relay.absorber"),
}
AT_WORK_S = (0.0, 0.6)
DEAD_S = (0.0, 0.4)


@dataclass(slots=True)
class Victims:
    """Processes by name; ``kills`` counts by name."""

    stack: Stack
    addresses: list[str]
    kills: Counter[str] = field(default_factory=Counter)
    _running: dict[str, Process] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def running(cls, database: Database, directory: Path, broker: Broker) -> Iterator[Victims]:
        """All of them; they are ended behind it."""
        environment = {
            "KAFKA_BROKERS": broker.addresses,
            "KAFKA_TOPIC_PAYMENTS": TOPIC,
            # No new connection to the database has to be quick.
            "DB_MAX_IDLE_CONNS": str(CALLERS),
        }
        with running_stack(database, directory, **environment) as stack:
            victims = cls(stack, [stack.serve() for _ in range(SERVERS)])
            for name in PROGRAMS:
                victims._start(name)
            yield victims

    def kill_a_relay(self, decisions: random.Random) -> None:
        """SIGKILL to one that is at work, which soon is there again."""
        wait_until(lambda: any(map(self._is_ready, RELAYS)))
        time.sleep(decisions.uniform(*AT_WORK_S))
        self._kill_and_start(decisions.choice([name for name in RELAYS if self._is_ready(name)]), decisions)

    def kill_the_absorber(self, decisions: random.Random) -> None:
        """The same with the consumer."""
        self._kill_and_start(ABSORBER, decisions)

    def _kill_and_start(self, name: str, decisions: random.Random) -> None:
        self._assert_alive(name)
        self._running[name].kill()
        self.kills[name] += 1
        time.sleep(decisions.uniform(*DEAD_S))
        self._start(name)

    def _is_ready(self, name: str) -> bool:
        self._assert_alive(name)
        return READY in self._running[name].log.read_bytes()

    def _assert_alive(self, name: str) -> None:
        process = self._running[name]
        assert process.process.poll() is None, process.log.read_text()

    def _start(self, name: str) -> None:
        self._running[name] = self.stack.start(name, PROGRAMS[name])
