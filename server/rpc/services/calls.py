"""From an RPC to a use case's call, and from its answer to the response."""

from __future__ import annotations

import hashlib
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from payflow.commands.call import Answer, Call
from payflow.domain import fields
from payflow.domain.errors import PayFlowError, Reason, invalid_field, not_found
from payflow.domain.folding.submission import IdempotencyClaim, Origin
from payflow.wire.resources import to_message
from server.rpc.call import CallContext, current_call, mark_replayed

Response = TypeVar("Response", bound=Message)


def scoped_merchant_id(context: CallContext, merchant_id: str) -> str:
    """The merchant that the caller speaks for: its own where authentication ties it to one."""
    own = context.principal_merchant_id
    if own is None:
        return merchant_id
    if merchant_id not in ("", own):
        raise not_found("merchant", merchant_id)
    return own


def changing_call(method: str, request: Message) -> Call:
    """The call of an RPC that changes something; ``request`` has its merchant resolved.

    The claim's hash covers the RPC and the deterministic message, so that HTTP and gRPC agree.
    """
    context = current_call()
    key = fields.idempotency_key(context.idempotency_key)
    content = method.encode() + b"\x00" + request.SerializeToString(deterministic=True)
    claim = IdempotencyClaim(key, hashlib.sha256(content).digest())
    return Call(_origin(context), context.deadline, claim)


def require_key() -> None:
    """Refuses a changing RPC without a usable key before anything else is looked at."""
    fields.idempotency_key(current_call().idempotency_key)


def required_reason(reason: str) -> str:
    """Why an operator gives something up."""
    if not reason.strip():
        raise invalid_field("reason", "is required")
    return fields.text("reason", reason, fields.REASON_MAX)


def _origin(context: CallContext) -> Origin:
    return Origin(context.actor or "api", context.correlation_id, context.traceparent)


def respond(answer: Answer, response: type[Response], context: grpc.ServicerContext) -> Response:
    """The response message; a stored one is marked in the trailing metadata."""
    if answer.replayed:
        mark_replayed(context)
    if answer.stored is not None:
        return response.FromString(answer.stored)
    if answer.resource is None:
        raise PayFlowError(Reason.INTERNAL, "internal error")
    message = to_message(answer.resource)
    if not isinstance(message, response):
        raise TypeError(f"{type(message).__name__} where {response.__name__} was expected")
    return message
