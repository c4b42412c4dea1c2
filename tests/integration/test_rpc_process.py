from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from payflow.v1.payment_intent_pb2 import GetPaymentIntentRequest
from payflow.v1.payment_intent_pb2_grpc import PaymentIntentServiceStub
from server.ports import PortInUse
from server.rpc.port_reservation import PortReservation
from tests.ports import free_port
from tests.rpc_application import OPEN
from tests.waiting import WAIT_S, wait_until

WAITING = "wait for the file"


@dataclass(frozen=True)
class Served:
    process: subprocess.Popen[str]
    port: int
    prometheus_port: int
    gate: Path

    def get(self, intent_id: str, timeout_s: float = WAIT_S) -> str:
        """The pid of the process that answers, on a connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{self.port}", options=options) as channel:
            stub = PaymentIntentServiceStub(channel)
            return stub.GetPaymentIntent(GetPaymentIntentRequest(id=intent_id), timeout=timeout_s).id

    def pids(self, calls: int) -> set[int]:
        return {int(self.get("x")) for _ in range(calls)}

    def metrics(self) -> str:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.prometheus_port}/metrics", timeout=WAIT_S
        ) as answer:
            text: str = answer.read().decode()
            return text

    def waiting(self) -> int:
        """The calls that have come to the gate."""
        return len(list(self.gate.iterdir()))

    def open_gate(self) -> None:
        (self.gate / OPEN).touch()


Start = Callable[..., Served]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start_one(processes: int = 1, port: int | None = None, **environment: str) -> Served:
        port, prometheus_port = port or free_port(), free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.rpc_application"],
            env=os.environ
            | {
                "GRPC_PORT": str(port),
                "PROMETHEUS_PORT": str(prometheus_port),
                "GRPC_PROCESSES": str(processes),
                "GATE_DIRECTORY": str(tmp_path),
            }
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Served(process, port, prometheus_port, tmp_path)

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def wait_until_serving(served: Served) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)

        def serving() -> bool:
            request = health_pb2.HealthCheckRequest(service="payflow.v1.LedgerService")
            status = health.Check(request, timeout=WAIT_S, wait_for_ready=True).status
            return bool(status == health_pb2.HealthCheckResponse.SERVING)

        wait_until(serving)


def refused(served: Served) -> bool:
    try:
        served.get("x", timeout_s=5)
    except grpc.RpcError as error:
        # A call that comes in the very moment of the stop is not answered by gRPC at all.
        return isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.UNAVAILABLE
    return False


@pytest.mark.parametrize("processes", [1, 2])
def test_sigterm_finishes_an_accepted_call_and_refuses_new_ones(start: Start, processes: int) -> None:
    served = start(processes)
    wait_until_serving(served)
    wait_until(lambda: len(served.pids(20)) == processes)
    with ThreadPoolExecutor() as callers:
        accepted = [callers.submit(served.get, WAITING) for _ in range(4)]
        wait_until(lambda: served.waiting() == len(accepted))
        served.process.send_signal(signal.SIGTERM)
        wait_until(lambda: refused(served))
        assert not any(call.done() for call in accepted), "refused only after the accepted calls had ended"
        served.open_gate()
        assert all(call.result(WAIT_S) for call in accepted)
    output, log = served.process.communicate(timeout=WAIT_S)
    assert served.process.returncode == 0, log
    assert sorted(output.split()) == ["closed"] * processes + ["drained"] * processes


def test_ctrl_c_stops_as_sigterm_does(start: Start) -> None:
    served = start()
    wait_until_serving(served)
    served.process.send_signal(signal.SIGINT)
    output, log = served.process.communicate(timeout=WAIT_S)
    assert (served.process.returncode, output.split()) == (0, ["drained", "closed"]), log


def test_a_second_sigterm_cancels_what_is_left(start: Start) -> None:
    served = start()
    wait_until_serving(served)
    with ThreadPoolExecutor() as callers:
        call = callers.submit(served.get, WAITING)
        wait_until(lambda: served.waiting() == 1)
        served.process.send_signal(signal.SIGTERM)
        wait_until(lambda: refused(served))
        served.process.send_signal(signal.SIGTERM)
        error = call.exception(WAIT_S)
    assert isinstance(error, grpc.RpcError)
    served.open_gate()
    _, log = served.process.communicate(timeout=WAIT_S)
    assert served.process.returncode == 0, log


def test_processes_share_a_port_and_one_that_dies_is_replaced(start: Start) -> None:
    served = start(2)
    wait_until_serving(served)
    wait_until(lambda: len(served.pids(20)) == 2)
    first = served.pids(40)
    assert served.process.pid not in first
    lines = [line for line in served.metrics().splitlines() if "payflow_rpc_answered_total{" in line]
    assert sum(float(line.split()[-1]) for line in lines) >= 60

    victim = first.pop()
    os.kill(victim, signal.SIGKILL)

    def replaced() -> bool:
        try:
            return victim not in served.pids(1) and len(served.pids(20)) == 2
        except grpc.RpcError:
            return False

    wait_until(replaced)
    served.process.send_signal(signal.SIGTERM)
    _, log = served.process.communicate(timeout=WAIT_S)
    assert served.process.returncode == 0, log
    assert f"serving process {victim} ended with -9" in log


def test_children_do_not_outlive_a_supervisor_that_is_killed(start: Start) -> None:
    served = start(2)
    wait_until_serving(served)
    wait_until(lambda: len(served.pids(20)) == 2)
    served.process.kill()

    def port_is_free() -> bool:
        try:
            PortReservation("127.0.0.1", served.port).release()
        except PortInUse:
            return False
        return True

    wait_until(port_is_free)


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("second", [1, 2])
def test_a_second_server_on_the_port_is_refused(start: Start, first: int, second: int) -> None:
    served = start(first)
    wait_until_serving(served)
    other = start(second, port=served.port)
    _, log = other.process.communicate(timeout=WAIT_S)
    assert other.process.returncode == 1
    assert "server.ports.PortInUse" in log
    assert "GRPC_PORT" in log
    assert int(served.get("x"))


def test_a_metrics_port_in_use_is_named(start: Start) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        served = start(PROMETHEUS_PORT=str(other.getsockname()[1]))
        _, log = served.process.communicate(timeout=WAIT_S)
    assert served.process.returncode == 1
    assert "PROMETHEUS_PORT" in log


def test_processes_that_cannot_start_say_why_and_are_not_tried_again(start: Start) -> None:
    served = start(2, OTEL_SERVICE_NAME="fails-to-start")
    _, log = served.process.communicate(timeout=WAIT_S)
    assert served.process.returncode == 1
    assert "ChildFailed: the database refuses" in log


def test_a_reserved_port_is_nobody_elses_and_free_again_when_it_is_released() -> None:
    # Not one of those that the system gives to whoever asks for any.
    reservation = PortReservation("127.0.0.1", free_port())
    with pytest.raises(PortInUse):
        PortReservation("127.0.0.1", reservation.number)
    reservation.release()
    again = PortReservation("127.0.0.1", reservation.number)
    assert again.number == reservation.number
    again.release()


def test_a_port_is_found_where_any_will_do() -> None:
    reservation = PortReservation("127.0.0.1", 0)
    assert reservation.number > 0
    with pytest.raises(PortInUse):
        PortReservation("127.0.0.1", reservation.number)
    reservation.release()
