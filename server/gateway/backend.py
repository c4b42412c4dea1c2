"""The gateway's way to the gRPC server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2

from server.gateway.limits import Limits

_RECONNECT_BACKOFF_MAX_MS = 1_000
# gRPC's own: a server that is there, but has no processor to greet with, is not taken for one that is down.
_CONNECT_TIMEOUT_MS = 20_000
_KEEPALIVE_MS = 30_000
_KEEPALIVE_TIMEOUT_MS = 5_000
_CONNECTIONS_PER_PROCESS = 4

Metadata = Sequence[tuple[str, str]]


class Backend:
    """Generic unary calls over a fixed number of connections; made and used on one event loop.

    Several server processes share one port, and the kernel gives each connection to one of them, so
    there are several connections for each process, used in turn.
    """

    def __init__(self, target: str, processes: int, rpcs: Iterable[MethodDescriptor], limits: Limits) -> None:
        connections = 1 if processes == 1 else _CONNECTIONS_PER_PROCESS * processes
        self._limits = limits
        self._channels = [_open_channel(target, limits) for _ in range(connections)]
        self._calls = {rpc.full_name: cycle(self._callables(rpc)) for rpc in rpcs}
        health = health_pb2.DESCRIPTOR.services_by_name["Health"].methods_by_name["Check"]
        self._health = self._callables(health)[0]

    async def call(
        self, rpc: MethodDescriptor, request: Message, timeout_s: float, metadata: Metadata
    ) -> tuple[Message, dict[str, str | bytes]]:
        """The response and the trailing metadata. Raises grpc.aio.AioRpcError."""
        call = next(self._calls[rpc.full_name])(request, timeout=timeout_s, metadata=tuple(metadata))
        response = await call
        return response, dict(await call.trailing_metadata())

    async def is_ready(self) -> bool:
        """Whether the gRPC server says that it can take payments."""
        try:
            answer = await self._health(health_pb2.HealthCheckRequest(), timeout=self._limits.ready_timeout_s)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def close(self) -> None:
        """Ends the connections and whatever still runs on them."""
        for channel in self._channels:
            await channel.close(None)

    def _callables(self, rpc: MethodDescriptor) -> list[grpc.aio.UnaryUnaryMultiCallable[Message, Any]]:
        path = f"/{rpc.containing_service.full_name}/{rpc.name}"
        return [
            channel.unary_unary(
                path,
                request_serializer=GetMessageClass(rpc.input_type).SerializeToString,
                response_deserializer=GetMessageClass(rpc.output_type).FromString,
            )
            for channel in self._channels
        ]


def _open_channel(target: str, limits: Limits) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(
        target,
        options=[
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", _CONNECT_TIMEOUT_MS),
            ("grpc.max_reconnect_backoff_ms", _RECONNECT_BACKOFF_MAX_MS),
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
            ("grpc.max_receive_message_length", limits.response_bytes_max),
            ("grpc.use_local_subchannel_pool", 1),
            # The server is ours: a proxy that the environment names is not meant for it.
            ("grpc.enable_http_proxy", 0),
        ],
    )
