from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as PackedAny
from google.rpc import code_pb2, error_details_pb2, status_pb2

from payflow.domain.errors import PayFlowError, Reason, invalid_field
from server.gateway.errors import refusal_reply, rpc_error_reply
from server.gateway.reply import Reply
from server.rpc.error_mapper import STATUS_DETAILS, to_status


def error_of(reply: Reply) -> Any:
    return json.loads(reply.body)["error"]


def rpc_error(code: grpc.StatusCode, text: str, trailing: bytes | None = None) -> grpc.aio.AioRpcError:
    pairs: Any = () if trailing is None else ((STATUS_DETAILS, trailing),)
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*pairs), text, None)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_the_documented_status(reason: Reason) -> None:
    expected = {
        "INVALID_ARGUMENT": 400,
        "NOT_FOUND": 404,
        "ALREADY_EXISTS": 409,
        "FAILED_PRECONDITION": 400,
        "ABORTED": 409,
        "RESOURCE_EXHAUSTED": 429,
        "UNAUTHENTICATED": 401,
        "PERMISSION_DENIED": 403,
        "DEADLINE_EXCEEDED": 504,
        "INTERNAL": 500,
        "UNIMPLEMENTED": 501,
        "UNAVAILABLE": 503,
    }
    status = 413 if reason is Reason.REQUEST_TOO_LARGE else expected[reason.code]
    reply = refusal_reply(PayFlowError(reason, "no"))
    assert reply.status == status
    error = error_of(reply)
    assert (error["code"], error["status"], error["reason"], error["message"]) == (
        status,
        reason.code,
        reason.name,
        "no",
    )


def test_a_servers_details_are_passed_on_with_retry_after() -> None:
    refused = PayFlowError(Reason.IDEMPOTENCY_KEY_IN_USE, "still running", retry_after_s=1.2)
    packed = to_status(refused).SerializeToString()
    reply = rpc_error_reply(rpc_error(grpc.StatusCode.ABORTED, "still running", packed))
    assert reply.status == 409
    assert reply.headers == {"retry-after": "2"}
    assert error_of(reply) == {
        "code": 409,
        "status": "ABORTED",
        "reason": "IDEMPOTENCY_KEY_IN_USE",
        "message": "still running",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "IDEMPOTENCY_KEY_IN_USE",
                "domain": "payflow",
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay": "1.200s"},
        ],
    }
    assert refusal_reply(refused) == reply


def test_fields_are_named_in_snake_case() -> None:
    details = error_of(refusal_reply(invalid_field("amount", "must be greater than zero")))["details"]
    assert {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "field_violations": [{"field": "amount", "description": "must be greater than zero"}],
    } in details


@pytest.mark.parametrize("trailing", [None, b"\xff\xff", status_pb2.Status(code=3).SerializeToString()])
@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, 503, "UNAVAILABLE"),
        (grpc.StatusCode.UNKNOWN, 500, "UNKNOWN"),
        (grpc.StatusCode.INTERNAL, 500, "INTERNAL"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504, "DEADLINE_EXCEEDED"),
        (grpc.StatusCode.CANCELLED, 499, "CANCELLED"),
        (grpc.StatusCode.UNIMPLEMENTED, 501, "UNIMPLEMENTED"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "OVERLOADED"),
    ],
)
def test_what_comes_without_sound_details_leaks_nothing(
    code: grpc.StatusCode, status: int, reason: str, trailing: bytes | None
) -> None:
    reply = rpc_error_reply(rpc_error(code, "secret text of a library", trailing))
    error = error_of(reply)
    assert (reply.status, error["code"], error["status"], error["reason"]) == (
        status,
        status,
        code.name,
        reason,
    )
    assert b"secret" not in reply.body
    assert ("retry-after" in reply.headers) == (status in (429, 503))


def test_details_that_are_not_for_callers_are_left_out() -> None:
    status = status_pb2.Status(code=code_pb2.INTERNAL, message="no")
    packed = PackedAny()
    packed.Pack(error_details_pb2.DebugInfo(detail="secret stack"))
    status.details.append(packed)
    reply = rpc_error_reply(rpc_error(grpc.StatusCode.INTERNAL, "no", status.SerializeToString()))
    assert error_of(reply)["details"] == []


def test_text_that_is_not_unicode_or_endless_is_still_answered() -> None:
    reply = refusal_reply(invalid_field("\ud800" + "x" * 1_000_000, "is not a known field"))
    assert reply.status == 400
    assert len(reply.body) < 4096
