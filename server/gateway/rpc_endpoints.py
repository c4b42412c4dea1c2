"""Answers requests to the contract's routes by calling the gRPC server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from payflow.domain.errors import PayFlowError, Reason
from payflow.wire.json_encoder import MessageEncoder, MessageEncoders
from server.gateway.backend import Backend
from server.gateway.enum_names import enum_names
from server.gateway.in_flight import InFlight
from server.gateway.json_decoder import MessageDecoder, message_decoder
from server.gateway.reply import Reply, json_reply
from server.gateway.request import Request
from server.gateway.request_headers import require_json, rpc_metadata
from server.gateway.request_message import request_message
from server.gateway.routes import Route, RouteTable
from server.rpc.call import IDEMPOTENT_REPLAYED


@dataclass(frozen=True, slots=True)
class _Codec:
    decode: MessageDecoder
    encode: MessageEncoder


class RpcEndpoints:
    """Every route of the contract, with at most ``in_flight_max`` calls at once."""

    def __init__(self, routes: Sequence[Route], backend: Backend, in_flight_max: int) -> None:
        self._table = RouteTable(routes)
        self._backend = backend
        self._in_flight = InFlight(in_flight_max)
        decoders: dict[str, MessageDecoder] = {}
        encoders = MessageEncoders(enum_names)
        self._codecs = {
            route.rpc.full_name: _Codec(
                message_decoder(route.rpc.input_type, decoders),
                encoders.of(route.rpc.output_type),
            )
            for route in routes
        }

    async def answer(self, request: Request) -> Reply:
        """The RPC's response as JSON. Raises PayFlowError and grpc.aio.AioRpcError."""
        found = self._table.find(request.http_method, request.raw_path)
        if found is None:
            raise PayFlowError(Reason.ROUTE_NOT_FOUND, "no route for this method and path")
        route, variables = found
        if request.body:
            require_json(request.headers)
        codec = self._codecs[route.rpc.full_name]
        message = request_message(route, codec.decode, variables, request.query, request.body)
        response, trailing = await self._call(route, message, request)
        replayed = trailing.get(IDEMPOTENT_REPLAYED) == "true"
        headers = {IDEMPOTENT_REPLAYED: "true"} if replayed else {}
        return json_reply(route.success_status, codec.encode(response), headers)

    async def _call(
        self, route: Route, message: Message, request: Request
    ) -> tuple[Message, dict[str, str | bytes]]:
        metadata = rpc_metadata(request.headers, request.correlation_id)
        with self._in_flight.one():
            timeout_s = request.deadline - asyncio.get_running_loop().time()
            return await self._backend.call(route.rpc, message, timeout_s, metadata)
