"""PayFlow's processes as they run in production, but for their patience, for one test module."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import urllib3
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.breakers import NEVER_OPENS
from tests.databases import Database
from tests.patient_server import PATIENT
from tests.ports import free_port
from tests.simulators import SECRET, Simulator, running_simulator
from tests.waiting import WAIT_S, wait_until

PROBE_TIMEOUT_S = 5


@dataclass(slots=True)
class Process:
    """One process of PayFlow; its output is in ``log``."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        return self.process.wait(WAIT_S)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(WAIT_S)


@dataclass(slots=True)
class Stack:
    """A database, a simulated PSP, and whichever processes the test starts."""

    database: Database
    simulator: Simulator
    directory: Path
    environment: dict[str, str]
    processes: list[Process] = field(default_factory=list)

    def serve(self, program: Sequence[str] = PATIENT, **environment: str) -> str:
        """Starts a gRPC server process and waits until it serves; answers its address.

        With no program it is ``payflow serve`` itself.
        """
        port = str(free_port())
        metrics = str(free_port())
        self.start("serve", program, GRPC_PORT=port, PROMETHEUS_PORT=metrics, **environment)
        address = f"127.0.0.1:{port}"
        self.wait_until_serving(address)
        return address

    def gateway(self, address: str, port: int = 0, **environment: str) -> str:
        """Starts a gateway in front of a gRPC server, on a free port with 0; answers its URL."""
        port = port or free_port()
        process = self.start(
            "gateway", (), API_PORT=str(port), GRPC_PORT=address.rpartition(":")[2], **environment
        )
        url = f"http://127.0.0.1:{port}"
        _wait_for(lambda: answers(url), process)
        return url

    def worker(self, **environment: str) -> Process:
        """Starts a worker."""
        return self.start("worker", (), **environment)

    def start(self, name: str, program: Sequence[str] = (), **environment: str) -> Process:
        """Starts ``payflow {name}``, or another Python program in its place."""
        log = self.directory / f"{name}-{len(self.processes)}.log"
        command = [sys.executable, *(program or ("-m", "server.cli.main", name))]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=self.environment | environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        started = Process(name, process, log)
        self.processes.append(started)
        return started

    def wait_until_serving(self, address: str) -> None:
        """Waits for the health check of the process that was started last."""
        _wait_for(lambda: serves(address), self.processes[-1])

    def stop(self) -> None:
        """Ends whatever still runs."""
        for one in reversed(self.processes):
            if one.process.poll() is None:
                os.killpg(one.process.pid, signal.SIGKILL)
                one.process.wait(WAIT_S)


@contextmanager
def running_stack(
    database: Database, directory: Path, webhooks_to: str = "", **environment: str
) -> Iterator[Stack]:
    """A simulator and an environment for processes on ``database``; everything is ended behind it.

    With ``webhooks_to``, a URL, the simulator tells what happens.
    """
    with running_simulator(directory / "simulator.sqlite", webhooks_to=webhooks_to) as simulator:
        settings = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database.application_url,
            "SIMULATOR_URL": simulator.url,
            "SIMULATOR_WEBHOOK_SECRET": SECRET,
            "SIMULATOR_TIMEOUT": f"{WAIT_S:g}s",
            "RATE_LIMIT": "off",
            "LOG_FORMAT": "console",
            "DB_MAX_IDLE_CONNS": "2",
        } | NEVER_OPENS
        stack = Stack(database, simulator, directory, settings | environment)
        try:
            yield stack
        finally:
            stack.stop()


def _wait_for(condition: Callable[[], bool], process: Process) -> None:
    wait_until(lambda: condition() or process.process.poll() is not None)
    if process.process.poll() is not None:
        raise AssertionError(f"{process.name} does not start:\n{process.log.read_text()}")


def serves(address: str) -> bool:
    """Whether the server there is healthy."""
    with grpc.insecure_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=PROBE_TIMEOUT_S
            )
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def answers(url: str) -> bool:
    """Whether the gateway there is ready."""
    try:
        return urllib3.request("GET", f"{url}/ready", retries=False, timeout=PROBE_TIMEOUT_S).status == 200
    except urllib3.exceptions.HTTPError:
        return False
