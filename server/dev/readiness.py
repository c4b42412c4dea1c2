"""Questions whose answer is whether a process is ready. Each takes a second at most."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_S = 1


def always() -> bool:
    """For a process that serves nobody: it is ready as soon as it runs."""
    return True


def accepts_connections(host: str, port: int) -> Callable[[], bool]:
    """Whether a TCP server listens there."""

    def ask() -> bool:
        try:
            socket.create_connection((host, port), timeout=TIMEOUT_S).close()
        except OSError:
            return False
        return True

    return ask


def answers_ping(path: Path) -> Callable[[], bool]:
    """Whether a Redis-compatible server on a Unix socket answers PING."""

    def ask() -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_S)
            try:
                connection.connect(str(path))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    return ask


def answers_http(host: str, port: int, path: str) -> Callable[[], bool]:
    """Whether a GET answers 200."""

    def ask() -> bool:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask


def serves_grpc(host: str, port: int) -> Callable[[], bool]:
    """Whether the gRPC health service says SERVING for the server as a whole."""
    listens = accepts_connections(host, port)

    def ask() -> bool:
        if not listens():
            return False
        with grpc.insecure_channel(f"{host}:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S
                )
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return ask
