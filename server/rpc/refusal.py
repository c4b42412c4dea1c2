"""Refuses calls without reading their requests, so that no caller can hold a thread by sending none."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import grpc

from payflow.domain.errors import PayFlowError
from server.rpc.call import CORRELATION_ID
from server.rpc.error_mapper import abort
from server.rpc.interceptors.correlation import correlation_id_of, metadata_of
from server.rpc.interceptors.messages import unimplemented
from server.rpc.interceptors.unary import Handler
from server.rpc.metrics import count_refusal
from server.rpc.threads import OnThreads

if TYPE_CHECKING:
    GenericRpcHandler = grpc.GenericRpcHandler[Any, Any]
else:
    GenericRpcHandler = grpc.GenericRpcHandler

UNKNOWN_METHOD: Final = "unknown"


class Refusals:
    """Handlers that answer an error, on one thread of their own."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(1, thread_name_prefix="rpc-refusal")

    def handler(self, method: str, error: PayFlowError) -> Handler:
        """A handler that answers ``error``; ``method`` is what it is counted under.

        It takes a stream, whatever the method takes, because gRPC waits for the message of a unary one.
        """

        def refuse(_: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            correlation_id = correlation_id_of(metadata_of(context)) or uuid4().hex
            context.set_trailing_metadata(((CORRELATION_ID, correlation_id),))
            count_refusal(method, error.reason)
            abort(context, error)

        return grpc.stream_stream_rpc_method_handler(OnThreads(refuse, self.threads))


class UnknownMethods(GenericRpcHandler):
    """Answers UNIMPLEMENTED, with details, for what no service has; it is asked last."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """A refusal, whatever the method."""
        return self._refusals.handler(UNKNOWN_METHOD, unimplemented(handler_call_details.method))
