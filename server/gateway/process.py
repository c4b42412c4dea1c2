"""The gateway's process."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from types import FrameType

import uvicorn

from server.config import Settings
from server.gateway.app import Gateway, Served
from server.gateway.backend import Backend
from server.gateway.connection import BoundedConnection
from server.gateway.endpoints import Endpoints
from server.gateway.limits import Limits
from server.gateway.openapi import openapi_document
from server.gateway.own_endpoints import own_endpoints
from server.gateway.routes import contract_services, routes_of
from server.gateway.rpc_endpoints import RpcEndpoints
from server.gateway.webhook_endpoint import WebhookEndpoint
from server.log import configure_logging

log = logging.getLogger(__name__)

_LISTEN_BACKLOG = 1024
_DRAIN_EXTRA_S = 5
_LIMITS = Limits()


def run(settings: Settings, limits: Limits = _LIMITS) -> int:
    """Serves HTTP until SIGTERM or SIGINT, finishes what it accepted, and returns the exit code.

    Raises OSError, with API_PORT in its text, when the address cannot be had.
    """
    listener = _listen(settings.bind_host, settings.api_port)
    configure_logging(settings.log_format, settings.log_level)
    asyncio.run(_serve(settings, listener, limits))
    return 0


async def _serve(settings: Settings, listener: socket.socket, limits: Limits) -> None:
    services = contract_services()
    routes = routes_of(services)
    rpcs = [rpc for service in services for rpc in service.methods]
    backend = Backend(f"127.0.0.1:{settings.grpc_port}", settings.grpc_processes, rpcs, limits)
    endpoints = Endpoints(
        own_endpoints(backend, lambda: openapi_document(routes)),
        Served(WebhookEndpoint(backend, limits.webhooks_in_flight_max).answer, limits.webhook_bytes_max),
        Served(
            RpcEndpoints(routes, backend, limits.requests_in_flight_max).answer,
            settings.api_max_request_bytes,
        ),
    )
    gateway = Gateway(endpoints.find, limits, timeout_s=settings.api_timeout_s)
    server = uvicorn.Server(_uvicorn_config(gateway, settings, limits))
    _exit_cleanly_on_signals(server)
    host, port = listener.getsockname()[:2]
    log.info("gateway ready on http://%s:%d", host, port)
    await server.serve(sockets=[listener])
    await backend.close()


def _uvicorn_config(gateway: Gateway, settings: Settings, limits: Limits) -> uvicorn.Config:
    # uvicorn makes its connections itself and hands them nothing of ours.
    connection = type("Connection", (BoundedConnection,), {"limits": limits})
    return uvicorn.Config(
        gateway,
        http=connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_LISTEN_BACKLOG,
        timeout_keep_alive=limits.keep_alive_timeout_s,
        timeout_graceful_shutdown=round(settings.api_timeout_s) + _DRAIN_EXTRA_S,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=_LISTEN_BACKLOG)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {host}:{port} (API_PORT): {error.strerror}") from error
    # Accepted sockets inherit it. asyncio would not set it on them, since create_server names no protocol,
    # and every answer would wait 40 ms for the acknowledgement of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _exit_cleanly_on_signals(server: uvicorn.Server) -> None:
    """uvicorn raises a signal that it has handled once more; these handlers are what it then meets."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
