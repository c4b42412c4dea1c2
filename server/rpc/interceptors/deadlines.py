"""Bounds every call in time, from the moment it arrived, and starts none that nobody waits for."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Any

import grpc

from payflow.domain.errors import PayFlowError, Reason
from server.rpc.call import current_call, enter_call
from server.rpc.interceptors.unary import Behavior, Continuation, Handler, UnaryInterceptor

_arrived: ContextVar[float] = ContextVar("payflow_call_arrived")


class DeadlineInterceptor(UnaryInterceptor):
    """The deadline is the caller's, or ``timeout_s`` after arrival, whichever comes first."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Notes the arrival: gRPC runs this and the method itself in one contextvars context."""
        _arrived.set(time.monotonic())
        return super().intercept_service(continuation, handler_call_details)

    def around(self, method: str, proceed: Behavior) -> Behavior:
        def bounded(request: Any, context: grpc.ServicerContext) -> Any:
            now = time.monotonic()
            # Without a deadline of the caller, gRPC says a time that never comes.
            remaining_s = context.time_remaining()
            deadline = min(_arrived.get() + self._timeout_s, now + remaining_s)
            if deadline <= now or not context.is_active():
                raise PayFlowError(
                    Reason.DEADLINE_EXCEEDED, "the deadline passed before the call was started"
                )
            enter_call(current_call()._replace(deadline=deadline))
            return proceed(request, context)

        return bounded
