"""Gives every call a correlation id and tells the caller: the caller's own where it is fit for logs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import uuid4

import grpc

from server.rpc.call import CORRELATION_ID, IDEMPOTENCY_KEY, TRACEPARENT, CallContext, enter_call
from server.rpc.interceptors.unary import Behavior, UnaryInterceptor

REQUEST_ID: Final = "x-request-id"

_CORRELATION_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
# W3C Trace Context, version 00: neither the trace's id nor the parent's may be all zeros.
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class CorrelationInterceptor(UnaryInterceptor):
    """Begins the CallContext from the metadata; the id goes back in the trailing metadata."""

    def __init__(self, new_id: Callable[[], str] = lambda: uuid4().hex) -> None:
        super().__init__()
        self._new_id = new_id

    def around(self, method: str, proceed: Behavior) -> Behavior:
        def correlated(request: Any, context: grpc.ServicerContext) -> Any:
            metadata = metadata_of(context)
            correlation_id = correlation_id_of(metadata) or self._new_id()
            context.set_trailing_metadata(((CORRELATION_ID, correlation_id),))
            enter_call(
                CallContext(
                    correlation_id=correlation_id,
                    traceparent=traceparent_of(metadata),
                    idempotency_key=metadata.get(IDEMPOTENCY_KEY),
                )
            )
            return proceed(request, context)

        return correlated


def metadata_of(context: grpc.ServicerContext) -> Mapping[str, str]:
    """The caller's metadata; of a key that was sent twice, the last value."""
    # Only keys that end in -bin carry bytes, and none of ours does.
    return dict(context.invocation_metadata())  # type: ignore[arg-type]


def correlation_id_of(metadata: Mapping[str, str]) -> str | None:
    """The caller's correlation id, None where there is none or it is not fit to be written to a log."""
    for name in (CORRELATION_ID, REQUEST_ID):
        value = metadata.get(name)
        if value is not None and _CORRELATION_ID.fullmatch(value):
            return value
    return None


def traceparent_of(metadata: Mapping[str, str]) -> str:
    """The caller's W3C traceparent, empty where there is none or it is not valid."""
    value = metadata.get(TRACEPARENT)
    return value if value is not None and _TRACEPARENT.fullmatch(value) else ""
