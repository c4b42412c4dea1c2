"""PayFlow's own processes: their commands, their environment and their addresses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

from server.config import Settings
from server.dev.data_dir import DataDir
from server.dev.embedded import Services
from server.dev.process import Command
from server.dev.readiness import accepts_connections, always, answers_http, serves_grpc
from server.dev.simulators import HOST, SIMULATOR_URLS, DevSimulator, dev_simulators
from server.urls import without_password

DRAIN_EXTRA_S = 10


class PayflowProcesses:
    """The simulated PSPs and the processes that serve, on the addresses that ``settings`` ask for.

    Only the application's database URL is passed on: nobody who serves holds the owner's rights.
    """

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], services: Services, data_dir: DataDir
    ) -> None:
        self._settings = settings
        self._services = services
        self._data_dir = data_dir
        self._host = "127.0.0.1" if settings.bind_host == "0.0.0.0" else settings.bind_host
        self._simulators = dev_simulators(environ, data_dir)
        defaults = {"RATE_LIMIT": "off", "LOG_FORMAT": "console", "WEBHOOKS_ALLOW_PRIVATE": "1"}
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
            }
        )
        if "LEDGER_SIGNING_KEY" not in self._environment:
            self._environment["LEDGER_SIGNING_KEY"] = str(data_dir.signing_key())
        for simulator in self._simulators:
            self._environment |= simulator.environment()

    @property
    def http_url(self) -> str:
        return f"http://{self._host}:{self._settings.api_port}"

    def simulators(self) -> list[Command]:
        """The simulated PSPs, unless the environment names one; the gateway takes their webhooks."""
        return [self._simulator(simulator) for simulator in self._simulators]

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
            **{
                name: self._environment[variable]
                for name, variable in SIMULATOR_URLS.items()
                if variable in self._environment
            },
        }

    def _simulator(self, simulator: DevSimulator) -> Command:
        command = self._command(
            "psp-simulator",
            accepts_connections(HOST, simulator.port),
            f"--host={HOST}",
            f"--port={simulator.port}",
            f"--data={self._data_dir.simulator(simulator.name)}",
            f"--webhooks-to={self.http_url}/webhooks/{{psp_account}}",
        )
        environment = self._environment | {"SIMULATOR_WEBHOOK_SECRET": simulator.secret}
        return replace(command, name=f"psp-{simulator.name}", environment=environment)

    def _command(self, subcommand: str, ready: Callable[[], bool], *options: str) -> Command:
        return Command(
            name=subcommand,
            argv=(sys.executable, "-m", "server.cli.main", subcommand, *options),
            environment=self._environment,
            ready=ready,
            stop_timeout_s=self._settings.api_timeout_s + DRAIN_EXTRA_S,
            echoes_warnings=True,
        )
