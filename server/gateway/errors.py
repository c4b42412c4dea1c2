"""Every error as the one JSON shape of the contract.

Refusals of the gateway's own take the same way as those of the gRPC server: as a google.rpc.Status.
"""

from __future__ import annotations

import math
from typing import Any, cast

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from payflow.domain.errors import PayFlowError, Reason
from server.gateway.reply import Reply, json_reply
from server.rpc.error_mapper import DOMAIN, to_status

HTTP_STATUS: dict[int, int] = {
    code_pb2.CANCELLED: 499,
    code_pb2.UNKNOWN: 500,
    code_pb2.INVALID_ARGUMENT: 400,
    code_pb2.DEADLINE_EXCEEDED: 504,
    code_pb2.NOT_FOUND: 404,
    code_pb2.ALREADY_EXISTS: 409,
    code_pb2.PERMISSION_DENIED: 403,
    code_pb2.UNAUTHENTICATED: 401,
    code_pb2.RESOURCE_EXHAUSTED: 429,
    code_pb2.FAILED_PRECONDITION: 400,
    code_pb2.ABORTED: 409,
    code_pb2.OUT_OF_RANGE: 400,
    code_pb2.UNIMPLEMENTED: 501,
    code_pb2.INTERNAL: 500,
    code_pb2.UNAVAILABLE: 503,
    code_pb2.DATA_LOSS: 500,
}
"""HTTP status by google.rpc.Code, as that file documents it."""

REQUEST_TOO_LARGE_STATUS = 413
_RETRY_AFTER_S = 1

_PUBLIC_DETAILS: tuple[type[Message], ...] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.PreconditionFailure,
    error_details_pb2.RetryInfo,
)

# What a status without details may say: its own text comes from a library or a crash.
_MESSAGES: dict[int, str] = {
    code_pb2.CANCELLED: "the call was canceled",
    code_pb2.DEADLINE_EXCEEDED: "the call took too long",
    code_pb2.RESOURCE_EXHAUSTED: "too many calls at once",
    code_pb2.UNIMPLEMENTED: "this call is not served",
    code_pb2.UNAVAILABLE: "the service is not available",
}


def refusal_reply(error: PayFlowError) -> Reply:
    """The answer for a request that the gateway itself refuses."""
    return _status_reply(to_status(error))


def rpc_error_reply(error: grpc.aio.AioRpcError) -> Reply:
    """The answer for a call that the gRPC server, or the way to it, failed."""
    try:
        # from_call only needs what an aio error has too: code, details and trailing metadata.
        status = rpc_status.from_call(cast(grpc.Call, error))
    except (ValueError, DecodeError):
        status = None
    return bare_reply(error.code().value[0]) if status is None else _status_reply(status)


def bare_reply(code: int) -> Reply:
    """The answer for a canonical code that came without details; its reason is the code's name."""
    reason = Reason.OVERLOADED.name if code == code_pb2.RESOURCE_EXHAUSTED else code_pb2.Code.Name(code)
    status = status_pb2.Status(code=code, message=_MESSAGES.get(code, "internal error"))
    status.details.add().Pack(error_details_pb2.ErrorInfo(domain=DOMAIN, reason=reason))
    if code in (code_pb2.RESOURCE_EXHAUSTED, code_pb2.UNAVAILABLE):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromSeconds(_RETRY_AFTER_S)
        status.details.add().Pack(retry)
    return _status_reply(status)


def _status_reply(status: status_pb2.Status) -> Reply:
    reason = code_pb2.Code.Name(status.code)
    headers = {}
    details = []
    for detail in _public_details(status):
        if isinstance(detail, error_details_pb2.ErrorInfo):
            reason = detail.reason
        if isinstance(detail, error_details_pb2.RetryInfo):
            headers["retry-after"] = str(max(1, math.ceil(detail.retry_delay.ToNanoseconds() / 1e9)))
        details.append(_detail_json(detail))
    too_large = reason == Reason.REQUEST_TOO_LARGE.name
    code = REQUEST_TOO_LARGE_STATUS if too_large else HTTP_STATUS[status.code]
    error = {
        "code": code,
        "status": code_pb2.Code.Name(status.code),
        "reason": reason,
        "message": status.message,
        "details": details,
    }
    return json_reply(code, {"error": error}, headers)


def _public_details(status: status_pb2.Status) -> list[Message]:
    found = []
    for packed in status.details:
        for kind in _PUBLIC_DETAILS:
            detail = kind()
            if packed.Unpack(detail):
                found.append(detail)
    return found


def _detail_json(detail: Message) -> dict[str, Any]:
    fields = MessageToDict(detail, preserving_proto_field_name=True)
    return {"@type": f"type.googleapis.com/{detail.DESCRIPTOR.full_name}", **fields}
