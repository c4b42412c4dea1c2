"""What the interceptors of the chain have in common: they wrap PayFlow's own unary methods, once each.

A method is wrapped on its first call and kept, so that a call costs a look-up per link. Health and
reflection, streams and refusals pass through untouched.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc

# Generic in the stubs only.
if TYPE_CHECKING:
    Interceptor: TypeAlias = grpc.ServerInterceptor[Any, Any]
    Handler: TypeAlias = grpc.RpcMethodHandler[Any, Any]
else:
    Interceptor = grpc.ServerInterceptor
    Handler = grpc.RpcMethodHandler

Behavior: TypeAlias = Callable[[Any, grpc.ServicerContext], Any]
Continuation: TypeAlias = Callable[[grpc.HandlerCallDetails], Handler | None]

OWN_METHODS: Final = "/payflow."


class MethodInterceptor(Interceptor):
    """An interceptor that replaces the handlers of unary methods, such as ``/payflow.v1.X/Y``."""

    def __init__(self) -> None:
        self._wrapped: dict[str, Handler] = {}

    @abstractmethod
    def wrap(self, method: str, handler: Handler) -> Handler:
        """What serves ``method`` in place of ``handler``."""

    def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Called by gRPC on its one polling thread, in the order of arrival; it must not wait."""
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            wrapped = self.wrap(method, handler) if method.startswith(OWN_METHODS) else handler
            self._wrapped[method] = wrapped
        return wrapped


class UnaryInterceptor(MethodInterceptor):
    """An interceptor that does something around a method and leaves its messages as they are."""

    @abstractmethod
    def around(self, method: str, proceed: Behavior) -> Behavior:
        """What runs in place of ``proceed``."""

    def wrap(self, method: str, handler: Handler) -> Handler:
        """The handler with something around it."""
        assert handler.unary_unary is not None
        return grpc.unary_unary_rpc_method_handler(
            self.around(method, handler.unary_unary),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
