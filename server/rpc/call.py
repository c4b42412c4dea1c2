"""What a servicer may know about the call it serves, apart from the request itself."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, NamedTuple

import grpc

CORRELATION_ID: Final = "x-correlation-id"
IDEMPOTENCY_KEY: Final = "idempotency-key"
IDEMPOTENT_REPLAYED: Final = "idempotent-replayed"
TRACEPARENT: Final = "traceparent"


class CallContext(NamedTuple):
    """One call as the interceptor chain understood it.

    ``traceparent`` is a valid W3C header or empty. ``deadline`` is on the clock of ``time.monotonic``, in
    seconds: after it nobody waits for the answer. ``principal_merchant_id`` is None where authentication
    ties the caller to no merchant. ``idempotency_key`` is as it was sent, not yet checked.
    """

    correlation_id: str
    traceparent: str
    idempotency_key: str | None
    deadline: float = float("inf")
    actor: str = "anonymous"
    principal_merchant_id: str | None = None


_current: ContextVar[CallContext] = ContextVar("payflow_current_call")


def current_call() -> CallContext:
    """The call that this thread serves. Raises LookupError outside one."""
    return _current.get()


def enter_call(call: CallContext) -> None:
    """Makes ``call`` the current one; every RPC runs in a contextvars context of its own."""
    _current.set(call)


def mark_replayed(context: grpc.ServicerContext) -> None:
    """Tells the caller that the answer is a stored one: ``idempotent-replayed: true`` in the trailers."""
    context.set_trailing_metadata((*context.trailing_metadata(), (IDEMPOTENT_REPLAYED, "true")))
