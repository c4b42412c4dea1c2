"""PayFlow's own processes: their commands, their environment and their addresses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from server.config import Settings
from server.dev.data_dir import DataDir
from server.dev.embedded import Services
from server.dev.process import Command
from server.dev.readiness import accepts_connections, always, answers_http, serves_grpc
from server.ports import free_port
from server.urls import without_password

SIMULATOR_HOST = "127.0.0.1"
DRAIN_EXTRA_S = 10


class PayflowProcesses:
    """The simulated PSP and the processes that serve, on the addresses that ``settings`` ask for.

    Only the application's database URL is passed on: nobody who serves holds the owner's rights.
    """

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], services: Services, data_dir: DataDir
    ) -> None:
        self._settings = settings
        self._services = services
        self._data_dir = data_dir
        self._host = "127.0.0.1" if settings.bind_host == "0.0.0.0" else settings.bind_host
        self._simulator_port = None if environ.get("SIMULATOR_URL") else free_port()
        self._simulator_url = (
            environ["SIMULATOR_URL"]
            if self._simulator_port is None
            else f"http://{SIMULATOR_HOST}:{self._simulator_port}"
        )
        defaults = {"RATE_LIMIT": "off", "LOG_FORMAT": "console"}
        inherited = {
            name: value for name, value in environ.items() if name != "MIGRATE_DATABASE_URL" and value
        }
        self._environment = (
            defaults
            | inherited
            | {
                "PAYFLOW_DATA_DIR": str(data_dir.path),
                "DATABASE_URL": services.database_url,
                "REDIS_URL": services.redis_url,
                "KAFKA_BROKERS": services.kafka_brokers,
                "SIMULATOR_URL": self._simulator_url,
            }
        )

    @property
    def http_url(self) -> str:
        return f"http://{self._host}:{self._settings.api_port}"

    def simulator(self) -> list[Command]:
        """The simulated PSP, unless the environment names one."""
        if self._simulator_port is None:
            return []
        options = (f"--host={SIMULATOR_HOST}", f"--port={self._simulator_port}")
        data = f"--data={self._data_dir.simulator}"
        ready = accepts_connections(SIMULATOR_HOST, self._simulator_port)
        return [self._command("psp-simulator", ready, *options, data)]

    def serving(self) -> list[Command]:
        """The processes that need a migrated database, in the order in which they start."""
        settings = self._settings
        return [
            self._command("serve", serves_grpc(self._host, settings.grpc_port)),
            self._command("gateway", answers_http(self._host, settings.api_port, "/ready")),
            self._command("worker", always),
        ]

    def addresses(self) -> dict[str, str]:
        """Every address, by what is found there."""
        return {
            "http": self.http_url,
            "grpc": f"{self._host}:{self._settings.grpc_port}",
            "metrics": f"http://{self._host}:{self._settings.prometheus_port}/metrics",
            "postgresql": without_password(self._services.database_url),
            "redis": without_password(self._services.redis_url),
            "kafka": self._services.kafka_brokers,
            "simulator": self._simulator_url,
        }

    def _command(self, subcommand: str, ready: Callable[[], bool], *options: str) -> Command:
        return Command(
            name=subcommand,
            argv=(sys.executable, "-m", "server.cli.main", subcommand, *options),
            environment=self._environment,
            ready=ready,
            stop_timeout_s=self._settings.api_timeout_s + DRAIN_EXTRA_S,
            echoes_warnings=True,
        )
