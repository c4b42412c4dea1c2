"""grpc.health.v1 for every service and for the server as a whole, on a thread of its own.

A server whose RPC threads are all busy is slow, not dead: it must still be able to say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import OVERALL_HEALTH, SERVICE_NAME, HealthServicer

from server.rpc.threads import OnThreads


class Health:
    """What is told to health checks: not serving until the first word to the contrary."""

    def __init__(self, services: Iterable[str]) -> None:
        self.threads = ThreadPoolExecutor(1, thread_name_prefix="rpc-health")
        self._servicer = HealthServicer()
        self._services = (OVERALL_HEALTH, SERVICE_NAME, *services)
        self.show(serving=False)

    def register(self, server: grpc.Server) -> None:
        """Adds the health service to ``server``."""
        health_pb2_grpc.add_HealthServicer_to_server(
            _OnOwnThread(self._servicer, self._services, self.threads), server
        )

    def show(self, *, serving: bool) -> None:
        """Tells every watcher, and everyone who asks from now on; without effect after `shut_down`."""
        status = health_pb2.HealthCheckResponse
        for service in self._services:
            self._servicer.set(service, status.SERVING if serving else status.NOT_SERVING)

    def shut_down(self) -> None:
        """Not serving, for good."""
        self._servicer.enter_graceful_shutdown()


class _OnOwnThread:
    """The methods of a health servicer; List, which HealthServicer has no body for, asks Check."""

    def __init__(
        self, servicer: HealthServicer, services: Iterable[str], threads: ThreadPoolExecutor
    ) -> None:
        def list_all(
            request: health_pb2.HealthListRequest, context: grpc.ServicerContext
        ) -> health_pb2.HealthListResponse:
            checks = {
                service: servicer.Check(health_pb2.HealthCheckRequest(service=service), context)
                for service in services
            }
            return health_pb2.HealthListResponse(statuses=checks)

        self.List = OnThreads(list_all, threads)
        self.Check = OnThreads(servicer.Check, threads)
        self.Watch = OnThreads(servicer.Watch, threads, experimental_non_blocking=True)
