"""Counts and times every call, by method, code and reason."""

from __future__ import annotations

import time
from typing import Any

import grpc

from payflow.domain.errors import PayFlowError, Reason
from server.rpc.interceptors.unary import Behavior, UnaryInterceptor
from server.rpc.metrics import count_refusal, rpc_answered, rpc_seconds


class MeasurementInterceptor(UnaryInterceptor):
    """Sits inside the error interceptor, where the reason is still known."""

    def around(self, method: str, proceed: Behavior) -> Behavior:
        answered = rpc_answered.labels(method, grpc.StatusCode.OK.name, "")
        seconds = rpc_seconds.labels(method)

        def measured(request: Any, context: grpc.ServicerContext) -> Any:
            started = time.perf_counter()
            try:
                response = proceed(request, context)
                answered.inc()
                return response
            except PayFlowError as error:
                count_refusal(method, error.reason)
                raise
            except Exception:
                count_refusal(method, Reason.INTERNAL)
                raise
            finally:
                seconds.observe(time.perf_counter() - started)

        return measured
