from __future__ import annotations

import socket
from concurrent import futures
from contextlib import ExitStack, suppress

import pytest

from server.gateway.process import _listen
from tests.integration.gateway.gateway_process import GatewayProcess, read_answer
from tests.integration.gateway.grpc_backend import Calls
from tests.integration.gateway.requests import BODY_BYTES_MAX, INTENTS, KEY
from tests.waiting import WAIT_S, wait_until

TRICKLE_S = 0.05


def raw(gateway: GatewayProcess, request: bytes) -> bytes:
    """Sends the request as it is and reads until the gateway closes the connection."""
    with connected(gateway) as connection:
        received = b""
        with suppress(OSError):
            connection.sendall(request)
        # What it does not read any more makes its system reset the connection behind the answer.
        with suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
        return received


def connected(gateway: GatewayProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_S)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET /v1/payment_intents/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 10_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"x" * 100_000,
        b"POST /v1/payment_intents HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=lambda value: str(value[:40]),
)
def test_what_is_not_http_gets_the_contracts_error(gateway: GatewayProcess, request_bytes: bytes) -> None:
    received = raw(gateway, request_bytes)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b'"reason":"VALIDATION_FAILED"' in received


TOO_LARGE = (413, "INVALID_ARGUMENT", "REQUEST_TOO_LARGE")


def test_a_body_that_says_it_is_too_large_is_not_read(
    gateway: GatewayProcess, hasty_with_bodies: GatewayProcess, calls: Calls
) -> None:
    answer = gateway.call("POST", INTENTS, b" " * 10_000_000, KEY)
    assert answer.error == TOO_LARGE
    assert answer.headers["connection"] == "close"
    head = b"POST /v1/payment_intents HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
    received = raw(hasty_with_bodies, head + b"Content-Length: 10000000\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in received
    assert calls.requests == []


def test_a_body_that_turns_out_too_large_is_cut_off(gateway: GatewayProcess, calls: Calls) -> None:
    chunks = (b" " * 50_000 for _ in range(200))
    with gateway.connect() as connection:
        connection.request("POST", INTENTS, chunks, KEY, encode_chunked=True)
        assert read_answer(connection).error == TOO_LARGE
    assert calls.requests == []
    exact = b"{" + b" " * (BODY_BYTES_MAX - 2) + b"}"
    assert gateway.call("POST", INTENTS, exact, KEY).status == 201
    assert gateway.call("POST", INTENTS, exact + b" ", KEY).error == TOO_LARGE


HEAD = b"POST /v1/payment_intents HTTP/1.1\r\nHost: x\r\n"
SENDERS = 10


def test_slow_senders_keep_nobody_out_and_are_told_so(hasty_with_bodies: GatewayProcess) -> None:
    with ExitStack() as stack:
        senders = []
        for request in (b"", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{"):
            senders = [stack.enter_context(connected(hasty_with_bodies)) for _ in range(SENDERS)]
            for sender in senders:
                sender.sendall(request)
        assert hasty_with_bodies.call("GET", f"{INTENTS}/pi_1").status == 200
        for sender in senders:
            assert sender.recv(65536).startswith(b"HTTP/1.1 504 ")


@pytest.mark.parametrize("sent", [b"", HEAD])
def test_who_is_slow_with_a_head_is_cut_off(hasty_with_heads: GatewayProcess, sent: bytes) -> None:
    with ExitStack() as stack:
        senders = [stack.enter_context(connected(hasty_with_heads)) for _ in range(SENDERS)]
        for sender in senders:
            # The time may be up before anything is sent.
            with suppress(ConnectionError):
                sender.sendall(sent)
        for sender in senders:
            with suppress(ConnectionResetError):
                assert sender.recv(65536) == b""


def test_a_trickling_head_does_not_extend_its_time(hasty_with_heads: GatewayProcess) -> None:
    with connected(hasty_with_heads) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")
        connection.settimeout(TRICKLE_S)

        def is_cut_off() -> bool:
            try:
                connection.sendall(b"X-A: 1\r\n")
                assert connection.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                pass
            return True

        wait_until(is_cut_off)


def test_a_connection_is_kept_for_the_next_request(gateway: GatewayProcess) -> None:
    with gateway.connect() as connection:
        for _ in range(3):
            connection.request("POST", INTENTS, b"{", KEY)
            assert read_answer(connection).status == 400
            connection.request("POST", INTENTS, b"{}", KEY)
            assert read_answer(connection).status == 201


def test_answers_do_not_wait_for_acknowledgements() -> None:
    with _listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_calls_in_flight_are_bounded_and_others_are_told_to_wait(
    gateway: GatewayProcess, calls: Calls
) -> None:
    calls.slow_may_end.clear()
    with futures.ThreadPoolExecutor(2) as threads:
        slow = [threads.submit(gateway.call, "GET", f"{INTENTS}/pi_slow") for _ in range(2)]
        for _ in range(2):
            assert calls.slow_started.acquire(timeout=WAIT_S)
        refused = gateway.call("GET", f"{INTENTS}/pi_1")
        alive = gateway.call("GET", "/health")
        ready = gateway.call("GET", "/ready")
        calls.slow_may_end.set()
        assert [answer.result().status for answer in slow] == [200, 200]
    assert refused.error == (429, "RESOURCE_EXHAUSTED", "OVERLOADED")
    assert refused.headers["retry-after"] == "1"
    assert (alive.status, ready.status) == (200, 200)
    assert gateway.call("GET", f"{INTENTS}/pi_1").status == 200
