from __future__ import annotations

import signal
import socket
import time
from concurrent import futures

import pytest

from server.config import Settings
from server.gateway.process import run
from tests.integration.gateway.gateway_process import Answer, GatewayProcess, read_answer, running_gateway
from tests.integration.gateway.grpc_backend import GrpcServer, started_grpc_server
from tests.integration.gateway.requests import INTENTS


def test_the_deadline_is_the_settings(backend: GrpcServer) -> None:
    backend.calls.slow_may_end.clear()
    with running_gateway(backend.port, api_timeout_s=0.5) as gateway:
        started = time.monotonic()
        answer = gateway.call("GET", f"{INTENTS}/pi_slow")
        assert answer.error == (504, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
        assert time.monotonic() - started < 5
    backend.calls.slow_may_end.set()


def until_status(gateway: GatewayProcess, status: int, within_s: float) -> Answer:
    ends = time.monotonic() + within_s
    while True:
        answer = gateway.call("GET", f"{INTENTS}/pi_1")
        if answer.status == status or time.monotonic() > ends:
            return answer
        time.sleep(0.05)


def test_a_server_that_is_down_is_503_and_found_again_soon() -> None:
    first = started_grpc_server()
    with running_gateway(first.port) as gateway:
        assert gateway.call("GET", f"{INTENTS}/pi_1").status == 200
        first.server.stop(0).wait()
        down = until_status(gateway, 503, within_s=5)
        assert down.error == (503, "UNAVAILABLE", "UNAVAILABLE")
        assert down.headers["retry-after"] == "1"
        assert "connect" not in down.json["error"]["message"]
        assert gateway.call("GET", "/ready").status == 503
        assert gateway.call("GET", "/health").status == 200
        time.sleep(3)
        second = started_grpc_server(first.port)
        assert until_status(gateway, 200, within_s=2.5).status == 200
        second.server.stop(0).wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_accepted_calls_finish_and_exits_with_0(
    backend: GrpcServer, number: signal.Signals
) -> None:
    backend.calls.slow_may_end.clear()
    with (
        running_gateway(backend.port) as gateway,
        gateway.connect() as idle,
        futures.ThreadPoolExecutor(1) as threads,
    ):
        idle.request("GET", "/health")
        read_answer(idle)
        accepted = threads.submit(gateway.call, "GET", f"{INTENTS}/pi_slow")
        assert backend.calls.slow_started.acquire(timeout=10)
        gateway.process.send_signal(number)
        with pytest.raises(ConnectionRefusedError):
            for _ in range(50):
                socket.create_connection(("127.0.0.1", gateway.port)).close()
                time.sleep(0.1)
        assert gateway.process.poll() is None
        backend.calls.slow_may_end.set()
        answer = accepted.result(timeout=10)
        assert (answer.status, answer.json["id"]) == (200, "pi_slow")
        assert idle.sock is not None
        assert idle.sock.recv(1) == b""
        assert gateway.process.wait(timeout=10) == 0


def test_a_port_in_use_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port} \\(API_PORT\\)"):
            run(Settings(api_port=port))


def test_several_server_processes_get_several_connections(backend: GrpcServer) -> None:
    backend.calls.peers.clear()
    with running_gateway(backend.port, grpc_processes=2) as gateway:
        statuses = {gateway.call("GET", f"{INTENTS}/pi_{number}").status for number in range(20)}
    assert statuses == {200}
    assert len(backend.calls.peers) == 8
