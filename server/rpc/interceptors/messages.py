"""Reads requests and writes responses inside the chain, so that a bad message gets the contract's error.

gRPC itself would answer INTERNAL to broken protobuf, keep unknown fields, and give no details.
"""

from __future__ import annotations

import grpc
from google.protobuf.message import Message

from payflow.domain.errors import PayFlowError, Reason
from server.rpc.interceptors.unary import Handler, MethodInterceptor
from server.rpc.request import read_request


class MessageInterceptor(MethodInterceptor):
    """Bytes outside, messages inside. A request is at most ``bytes_max`` long."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__()
        self._bytes_max = bytes_max

    def wrap(self, method: str, handler: Handler) -> Handler:
        """A handler of bytes around ``handler``, which is one of messages."""
        proceed, parse = handler.unary_unary, handler.request_deserializer
        assert proceed is not None and parse is not None

        def served(request: bytes, context: grpc.ServicerContext) -> bytes:
            if len(request) > self._bytes_max:
                raise self._too_large(len(request))
            message = read_request(parse, request)
            try:
                response: Message = proceed(message, context)
                # A map has no order of its own; without this a replay could differ from what it repeats.
                return response.SerializeToString(deterministic=True)
            except NotImplementedError:
                # The generated servicers raise it, after setting this code, where a method has no body.
                code = context.code()  # type: ignore[attr-defined]  # not in grpc-stubs
                if code is grpc.StatusCode.UNIMPLEMENTED:
                    raise unimplemented(method) from None
                raise

        return grpc.unary_unary_rpc_method_handler(served)

    def _too_large(self, size_bytes: int) -> PayFlowError:
        return PayFlowError(
            Reason.REQUEST_TOO_LARGE,
            f"the request has {size_bytes} bytes, more than the {self._bytes_max} allowed",
        )


def unimplemented(method: str) -> PayFlowError:
    """The error of a method that nobody serves."""
    return PayFlowError(Reason.UNIMPLEMENTED, f"{method} is not served here")
