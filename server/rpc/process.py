"""`payflow serve`: the gRPC server, as one process or as several on one port."""

from __future__ import annotations

import signal

from server.config import Settings
from server.rpc.application import ApplicationFactory
from server.rpc.exposition import expose_metrics
from server.rpc.lifetime import run, stop_signals
from server.rpc.port_reservation import PortReservation
from server.rpc.supervisor import supervise


def serve(settings: Settings, application_factory: ApplicationFactory) -> int:
    """Serves until SIGTERM or SIGINT, then finishes what was accepted. Returns the exit code.

    To be called from the main thread. With GRPC_PROCESSES above 1, ``application_factory`` must be
    importable by name. Raises PortInUse.
    """
    events = stop_signals(signal.SIGTERM, signal.SIGINT)
    reservation = PortReservation(settings.bind_host, settings.grpc_port)
    try:
        if settings.grpc_processes > 1:
            return supervise(settings, application_factory, reservation.number, events)
    finally:
        reservation.release()
    expose_metrics(settings)
    run(settings, application_factory, events)
    return 0
