"""Puts the gRPC server together: services, chain, health, reflection, limits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import grpc

from server.config import Settings
from server.rpc.application import Binding
from server.rpc.health import Health
from server.rpc.interceptors.authentication import AuthenticationOff, Authenticator
from server.rpc.interceptors.chain import interceptor_chain
from server.rpc.interceptors.rate_limit import CallRates
from server.rpc.port_reservation import PortReservation
from server.rpc.reflection import add_reflection
from server.rpc.refusal import Refusals, UnknownMethods
from server.rpc.threads import RpcThreads

WAITING_PER_THREAD_MAX: Final = 4
"""Calls that may wait for each RPC thread before more are refused with OVERLOADED."""

RPCS_MAX: Final = 10_000
"""gRPC's own limit, a backstop without details for what has no other: refusals, health, reflection."""

REQUEST_BYTES_CORE_MIN: Final = 16 * 1024 * 1024
"""gRPC refuses larger messages by itself, so it has to be well above the limit that we answer for."""

KEEPALIVE_TIME_MS: Final = 60_000
KEEPALIVE_TIMEOUT_MS: Final = 20_000
CLIENT_PING_INTERVAL_MIN_MS: Final = 10_000
CONNECTION_AGE_GRACE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class RpcServer:
    """A server that listens on ``port`` once it is started."""

    port: int
    health: Health
    _server: grpc.Server
    _threads: RpcThreads
    _other_threads: tuple[ThreadPoolExecutor, ...]

    def start(self) -> None:
        """Begins to serve; health says NOT_SERVING until it is told otherwise."""
        self._server.start()

    def calls(self) -> int:
        """How many calls are being served or wait to be."""
        return self._threads.calls

    def stop(self, grace_s: float | None) -> threading.Event:
        """Takes no new call, and cancels after ``grace_s`` what is not finished then (None: at once).

        Returns at once; the event is set when every call has ended. May be called again with less grace.
        """
        return self._server.stop(grace_s)

    def close(self, timeout_s: float) -> None:
        """Waits for work whose caller has gone, at most ``timeout_s``, and lets the threads go.

        To be called when every call has ended; before that, gRPC still needs the threads.
        """
        self._threads.wait_until_idle(timeout_s)
        for executor in (self._threads, *self._other_threads):
            executor.shutdown(wait=False)


def build_server(
    settings: Settings,
    bindings: Sequence[Binding],
    *,
    authenticator: Authenticator | None = None,
    rates: CallRates | None = None,
    reuse_port: bool = False,
    connection_age_max_s: float | None = None,
) -> RpcServer:
    """The server of ``bindings`` on BIND_HOST and GRPC_PORT, bound but not started.

    ``rates`` limits what each merchant may call. ``reuse_port`` lets several processes listen on the port.
    ``connection_age_max_s`` makes clients connect again from time to time, so that connections spread over
    them. Raises PortInUse.
    """
    services = tuple(binding.service for binding in bindings)
    threads = RpcThreads(settings.rpc_threads_max)
    refusals = Refusals()
    health = Health(services)
    server = grpc.server(
        threads,
        interceptors=interceptor_chain(
            settings,
            authenticator or AuthenticationOff(),
            threads,
            settings.rpc_threads_max * (1 + WAITING_PER_THREAD_MAX),
            refusals,
            rates,
        ),
        options=_options(settings, reuse_port, connection_age_max_s),
        maximum_concurrent_rpcs=RPCS_MAX,
        compression=grpc.Compression.NoCompression,
    )
    for binding in bindings:
        binding.register(binding.servicer, server)
    health.register(server)
    reflection_threads = add_reflection(server, services)
    server.add_generic_rpc_handlers((UnknownMethods(refusals),))
    port = _listen(server, settings)
    return RpcServer(port, health, server, threads, (refusals.threads, health.threads, reflection_threads))


def _options(
    settings: Settings, reuse_port: bool, connection_age_max_s: float | None
) -> list[tuple[str, int]]:
    options = [
        ("grpc.so_reuseport", int(reuse_port)),
        (
            "grpc.max_receive_message_length",
            max(REQUEST_BYTES_CORE_MIN, 2 * settings.api_max_request_bytes),
        ),
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", CLIENT_PING_INTERVAL_MIN_MS),
    ]
    if connection_age_max_s is not None:
        options += [
            ("grpc.max_connection_age_ms", int(connection_age_max_s * 1000)),
            ("grpc.max_connection_age_grace_ms", CONNECTION_AGE_GRACE_MS),
        ]
    return options


def _listen(server: grpc.Server, settings: Settings) -> int:
    host = f"[{settings.bind_host}]" if ":" in settings.bind_host else settings.bind_host
    try:
        return server.add_insecure_port(f"{host}:{settings.grpc_port}")
    except RuntimeError:
        # gRPC says only that it failed; a claim of our own says why.
        PortReservation(settings.bind_host, settings.grpc_port).release()
        raise
