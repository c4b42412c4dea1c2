from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager, suppress

import pytest

from server.config import Settings
from server.gateway.process import run
from tests.cutting_proxy import running_cutting_proxy
from tests.integration.gateway.gateway_process import Answer, GatewayProcess, read_answer, running_gateway
from tests.integration.gateway.grpc_backend import GrpcServer, started_grpc_server
from tests.integration.gateway.requests import INTENTS
from tests.ports import free_port
from tests.waiting import WAIT_S, wait_until

TIMEOUT_S = 0.5
# It takes 8 seconds; with gRPC's own back-off, which grows to minutes, it would take more than WAIT_S.
ATTEMPTS = 12
# For each piece of what the two say to each other.
SLOW_S = 1.0


@pytest.fixture
def own_backend() -> Iterator[GrpcServer]:
    """One whose calls may outlive the test's."""
    started = started_grpc_server()
    yield started
    started.calls.slow_may_end.set()
    started.server.stop(0).wait()


def test_the_deadline_is_the_settings(own_backend: GrpcServer) -> None:
    calls = own_backend.calls
    with running_gateway(own_backend.port, api_timeout_s=TIMEOUT_S) as gateway:
        # Or the time goes into the first connection.
        until_status(gateway, 200)

        def has_arrived() -> bool:
            answer = gateway.call("GET", f"{INTENTS}/pi_slow")
            assert answer.error == (504, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
            return calls.slow_started.acquire(blocking=False)

        wait_until(has_arrived)
    # gRPC rounds the time-out up on the wire.
    assert all(remaining_s < TIMEOUT_S + 1 for remaining_s in calls.remaining_s)


def until_status(gateway: GatewayProcess, status: int) -> Answer:
    answers: list[Answer] = []

    def is_answered() -> bool:
        answers.append(gateway.call("GET", f"{INTENTS}/pi_1"))
        return answers[-1].status == status

    wait_until(is_answered)
    return answers[-1]


@contextmanager
def breaking_connections(port: int) -> Iterator[list[int]]:
    """Takes connections and breaks them at once; notes each."""
    attempts: list[int] = []

    def take() -> None:
        with suppress(OSError):
            while True:
                listener.accept()[0].close()
                attempts.append(1)

    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield attempts
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def try_to_reach(gateway: GatewayProcess, attempts: list[int]) -> bool:
    gateway.call("GET", f"{INTENTS}/pi_1")
    return len(attempts) >= ATTEMPTS


def test_a_server_that_is_down_is_503_and_found_again_soon() -> None:
    first = started_grpc_server(free_port())
    with running_gateway(first.port) as gateway:
        assert gateway.call("GET", f"{INTENTS}/pi_1").status == 200
        first.server.stop(0).wait()
        down = until_status(gateway, 503)
        assert down.error == (503, "UNAVAILABLE", "UNAVAILABLE")
        assert down.headers["retry-after"] == "1"
        assert "connect" not in down.json["error"]["message"]
        assert gateway.call("GET", "/ready").status == 503
        assert gateway.call("GET", "/health").status == 200
        with breaking_connections(first.port) as attempts:
            wait_until(lambda: try_to_reach(gateway, attempts))
        second = started_grpc_server(first.port)
        assert until_status(gateway, 200).status == 200
        second.server.stop(0).wait()


def test_a_server_that_is_slow_to_greet_is_waited_for(backend: GrpcServer) -> None:
    with (
        running_cutting_proxy(free_port(), backend.port) as proxy,
        running_gateway(proxy.port) as gateway,
    ):
        proxy.delay(SLOW_S)
        assert gateway.call("GET", f"{INTENTS}/pi_1").status == 200


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
        assert backend.calls.slow_started.acquire(timeout=WAIT_S)
        gateway.process.send_signal(number)
        wait_until(lambda: refuses_connections(gateway))
        assert gateway.process.poll() is None
        backend.calls.slow_may_end.set()
        answer = accepted.result(WAIT_S)
        assert (answer.status, answer.json["id"]) == (200, "pi_slow")
        assert idle.sock is not None
        assert idle.sock.recv(1) == b""
        assert gateway.process.wait(WAIT_S) == 0


def refuses_connections(gateway: GatewayProcess) -> bool:
    try:
        socket.create_connection(("127.0.0.1", gateway.port)).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it was taken in the moment of the stop
        pass
    return False


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
