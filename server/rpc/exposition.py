"""Serves the metrics of this process, or of all the children that share a directory."""

from __future__ import annotations

import errno
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from server.config import Settings
from server.ports import PortInUse

VARIABLE: Final = "PROMETHEUS_PORT"
WORKER_VARIABLE: Final = "WORKER_PROMETHEUS_PORT"

DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Makes prometheus_client count in files there; it must be set before a process imports it."""


def expose_metrics(settings: Settings, directory: str | None = None) -> None:
    """Starts serving, on a daemon thread; with ``directory``, the sum over its processes.

    Raises PortInUse.
    """
    registry = REGISTRY
    if directory is not None:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]
    _serve(settings.bind_host, settings.prometheus_port, VARIABLE, registry)


def expose_worker_metrics(settings: Settings) -> None:
    """Starts serving what a worker counts, where it was given a port for that. Raises PortInUse."""
    if settings.worker_prometheus_port is not None:
        _serve(settings.bind_host, settings.worker_prometheus_port, WORKER_VARIABLE, REGISTRY)


def _serve(host: str, port: int, variable: str, registry: CollectorRegistry) -> None:
    try:
        start_http_server(port, host, registry)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host, port, variable) from None
        raise
