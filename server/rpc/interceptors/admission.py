"""Lets in as many calls as can be served in good time, and refuses the others at once.

The decision falls on the polling thread, before a call takes a place in the queue; the refusal is
answered by a thread of its own, so a full server says so as quickly as an idle one.
"""

from __future__ import annotations

from typing import Final

import grpc

from payflow.domain.errors import PayFlowError, Reason
from server.rpc.interceptors.unary import OWN_METHODS, Continuation, Handler, Interceptor
from server.rpc.refusal import Refusals
from server.rpc.threads import RpcThreads

RETRY_AFTER_S: Final = 1.0


class AdmissionInterceptor(Interceptor):
    """Refuses with OVERLOADED while ``calls_max`` calls are being served or wait to be.

    Health and reflection have threads of their own and are always let in.
    """

    def __init__(self, threads: RpcThreads, calls_max: int, refusals: Refusals) -> None:
        self._threads = threads
        self._calls_max = calls_max
        self._refusals = refusals

    def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Called by gRPC on its one polling thread, so nothing is let in between the look and the step."""
        if self._threads.calls >= self._calls_max and handler_call_details.method.startswith(OWN_METHODS):
            return self._refusals.handler(handler_call_details.method, _overloaded())
        return continuation(handler_call_details)


def _overloaded() -> PayFlowError:
    return PayFlowError(
        Reason.OVERLOADED, "the server has as many calls as it can serve", retry_after_s=RETRY_AFTER_S
    )
