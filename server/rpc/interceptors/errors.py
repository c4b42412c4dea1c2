"""Turns whatever is raised into the error that the contract promises; nothing internal gets out."""

from __future__ import annotations

import logging
from typing import Any

import grpc

from payflow.domain.errors import PayFlowError
from server.rpc.call import current_call
from server.rpc.error_mapper import abort, internal_error
from server.rpc.interceptors.unary import Behavior, UnaryInterceptor

_log = logging.getLogger(__name__)


class ErrorInterceptor(UnaryInterceptor):
    """A PayFlowError is answered as it is; anything else is INTERNAL, and its traceback is logged."""

    def around(self, method: str, proceed: Behavior) -> Behavior:
        def mapped(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                return proceed(request, context)
            except PayFlowError as error:
                refused = error
            except Exception:
                correlation_id = current_call().correlation_id
                _log.exception("%s failed unexpectedly", method, extra={"correlation_id": correlation_id})
                refused = internal_error(correlation_id)
            abort(context, refused)

        return mapped
