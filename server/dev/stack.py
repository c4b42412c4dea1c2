"""`payflow dev`: everything that a payment needs, on one machine, until somebody stops it."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from types import FrameType

from payflow.store.schema import migrate
from payflow.store.schema.migration_files import MigrationError
from server.config import Settings
from server.dev.console import TerminalConsole, ready_line, sample_call
from server.dev.data_dir import DataDir
from server.dev.embedded import Services, prepare_services
from server.dev.leftovers import ProcessRecord
from server.dev.payflow_processes import PayflowProcesses
from server.dev.postgres import service_user
from server.dev.supervisor import StackFailed, StopRequested, Supervisor
from server.ports import require_free_port
from server.urls import without_password

REPEAT_S = 1


class StopSignals:
    """Counts the requests to stop. Calls to ``count`` say how many there were.

    A signal within `REPEAT_S` of the one before is the same request: a terminal and `make` both pass one
    Ctrl-C on.
    """

    def __init__(self) -> None:
        self._count = 0
        self._last_s = 0.0

    def listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def count(self) -> int:
        return self._count

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if not self._count or time.monotonic() - self._last_s > REPEAT_S:
            self._count += 1
        self._last_s = time.monotonic()


def run(environ: Mapping[str, str]) -> None:
    """Starts the stack, says where it is, and stops it in order when asked to.

    Raises DataDirInUse, PortInUse, StackFailed, or what a service's preparation raises; whatever was
    started is stopped by then.
    """
    settings = Settings.from_environment(environ)
    console = TerminalConsole()
    stop_signals = StopSignals()
    stop_signals.listen()
    data_dir = DataDir(settings.data_dir, service_user())
    with data_dir.held():
        console.say(f"PayFlow starts; its data is in {data_dir.path}, its logs in {data_dir.logs()}")
        record = ProcessRecord(data_dir.processes)
        if stopped := record.stop_leftovers():
            console.say(f"  stopped {stopped} processes that a killed run had left behind")
        _require_free_ports(settings)
        supervisor = Supervisor(data_dir.logs(), record, console, stop_signals.count)
        try:
            _start(settings, environ, data_dir, supervisor, console)
            supervisor.run()
        except StopRequested:
            pass
        finally:
            console.say("stopping")
            with console.step("everything is stopped"):
                supervisor.stop()
                data_dir.remove_sockets()


def _require_free_ports(settings: Settings) -> None:
    require_free_port(settings.bind_host, settings.api_port, "API_PORT")
    require_free_port(settings.bind_host, settings.grpc_port, "GRPC_PORT")
    require_free_port(settings.bind_host, settings.prometheus_port, "PROMETHEUS_PORT")


def _start(
    settings: Settings,
    environ: Mapping[str, str],
    data_dir: DataDir,
    supervisor: Supervisor,
    console: TerminalConsole,
) -> None:
    began_s = time.monotonic()
    services = prepare_services(settings, data_dir, console)
    processes = PayflowProcesses(settings, environ, services, data_dir)
    _start_services(services, processes, supervisor, console)
    _migrate(services, console)
    serving = processes.serving()
    for command in serving:
        supervisor.start(command)
    for command in serving:
        with console.step(f"{command.name} is ready"):
            supervisor.wait_ready(command)
    console.say(f"started in {time.monotonic() - began_s:.1f} s; Ctrl-C stops it\n")
    console.say(ready_line(processes.addresses()))
    console.say(f"\nA first call:\n\n  {sample_call(processes.http_url)}\n")


def _start_services(
    services: Services, processes: PayflowProcesses, supervisor: Supervisor, console: TerminalConsole
) -> None:
    commands = [*services.commands(), *processes.simulators()]
    for command in commands:
        supervisor.start(command)
    for command in commands:
        with console.step(f"{command.name} is ready"):
            supervisor.wait_ready(command)


def _migrate(services: Services, console: TerminalConsole) -> None:
    with console.step("database is migrated"):
        if services.postgres is not None:
            services.postgres.create_database()
        try:
            migrate.up(services.migrate_database_url, services.database_url)
        except MigrationError as error:
            raise StackFailed(f"{without_password(services.migrate_database_url)}: {error}") from error
