from __future__ import annotations

from typing import TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details_pb2
from google.rpc import status_pb2

from payflow.domain.errors import FieldViolation, PayFlowError, Reason
from server.rpc.error_mapper import internal_error, to_status

M = TypeVar("M", bound=Message)

CODE_OF = {
    "VALIDATION_FAILED": grpc.StatusCode.INVALID_ARGUMENT,
    "REQUEST_TOO_LARGE": grpc.StatusCode.INVALID_ARGUMENT,
    "IDEMPOTENCY_KEY_REUSED": grpc.StatusCode.INVALID_ARGUMENT,
    "CURRENCY_MISMATCH": grpc.StatusCode.INVALID_ARGUMENT,
    "UNBALANCED_TRANSACTION": grpc.StatusCode.INVALID_ARGUMENT,
    "NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "ROUTE_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "ACCOUNT_EXISTS": grpc.StatusCode.ALREADY_EXISTS,
    "TRANSACTION_EXISTS": grpc.StatusCode.ALREADY_EXISTS,
    "MERCHANT_EXISTS": grpc.StatusCode.ALREADY_EXISTS,
    "PSP_ACCOUNT_EXISTS": grpc.StatusCode.ALREADY_EXISTS,
    "INVALID_STATE_TRANSITION": grpc.StatusCode.FAILED_PRECONDITION,
    "AMOUNT_EXCEEDS_CAPTURABLE": grpc.StatusCode.FAILED_PRECONDITION,
    "AMOUNT_EXCEEDS_REFUNDABLE": grpc.StatusCode.FAILED_PRECONDITION,
    "INSUFFICIENT_BALANCE": grpc.StatusCode.FAILED_PRECONDITION,
    "LIMIT_REACHED": grpc.StatusCode.FAILED_PRECONDITION,
    "PSP_REFUSED": grpc.StatusCode.FAILED_PRECONDITION,
    "IDEMPOTENCY_KEY_IN_USE": grpc.StatusCode.ABORTED,
    "CONCURRENT_UPDATE": grpc.StatusCode.ABORTED,
    "RATE_LIMITED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "OVERLOADED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "UNAUTHENTICATED": grpc.StatusCode.UNAUTHENTICATED,
    "PERMISSION_DENIED": grpc.StatusCode.PERMISSION_DENIED,
    "DEADLINE_EXCEEDED": grpc.StatusCode.DEADLINE_EXCEEDED,
    "INTERNAL": grpc.StatusCode.INTERNAL,
    "UNIMPLEMENTED": grpc.StatusCode.UNIMPLEMENTED,
    "NO_PSP_AVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "DATABASE_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
}


def detail(status: status_pb2.Status, kind: type[M]) -> M:
    found = kind()
    packed = [one for one in status.details if one.TypeName() == found.DESCRIPTOR.full_name]
    assert len(packed) == 1
    assert packed[0].Unpack(found)
    return found


def kinds(status: status_pb2.Status) -> list[str]:
    return [one.TypeName().removeprefix("google.rpc.") for one in status.details]


def test_the_table_of_codes_has_every_reason() -> None:
    assert set(CODE_OF) == set(Reason.__members__)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_reason_gives_its_code_and_exactly_its_details(reason: Reason) -> None:
    status = to_status(PayFlowError(reason, "what happened", metadata={"key": "value"}, subject="pi_1"))
    code = CODE_OF[reason.name]
    assert (status.code, status.message) == (code.value[0], "what happened")
    info = detail(status, details_pb2.ErrorInfo)
    assert (info.domain, info.reason, dict(info.metadata)) == ("payflow", reason.name, {"key": "value"})
    if code is grpc.StatusCode.FAILED_PRECONDITION:
        assert kinds(status) == ["ErrorInfo", "PreconditionFailure"]
        (violation,) = detail(status, details_pb2.PreconditionFailure).violations
        assert (violation.type, violation.subject, violation.description) == (
            reason.name,
            "pi_1",
            "what happened",
        )
    else:
        assert kinds(status) == ["ErrorInfo"]


def test_fields_become_a_bad_request() -> None:
    fields = (FieldViolation("amount", "must be above 0"), FieldViolation("currency", "is unknown"))
    status = to_status(PayFlowError(Reason.VALIDATION_FAILED, "bad", fields))
    assert kinds(status) == ["ErrorInfo", "BadRequest"]
    violations = detail(status, details_pb2.BadRequest).field_violations
    assert [(one.field, one.description) for one in violations] == [
        ("amount", "must be above 0"),
        ("currency", "is unknown"),
    ]


def test_a_time_to_retry_becomes_retry_info_also_when_it_is_zero() -> None:
    status = to_status(PayFlowError(Reason.OVERLOADED, "busy", retry_after_s=1.25))
    assert kinds(status) == ["ErrorInfo", "RetryInfo"]
    assert detail(status, details_pb2.RetryInfo).retry_delay.ToMilliseconds() == 1250
    at_once = to_status(PayFlowError(Reason.CONCURRENT_UPDATE, "again", retry_after_s=0))
    assert detail(at_once, details_pb2.RetryInfo).retry_delay.ToMilliseconds() == 0


def test_texts_are_cut_between_characters_so_that_trailers_stay_small() -> None:
    euros = "€" * 5000
    fields = tuple(FieldViolation(euros, euros) for _ in range(100))
    metadata = {f"{number}{euros}": euros for number in range(100)}
    status = to_status(
        PayFlowError(Reason.INVALID_STATE_TRANSITION, euros, fields, metadata, retry_after_s=1, subject=euros)
    )
    assert len(status.message.encode()) == 510
    assert set(status.message) == {"€"}
    assert len(detail(status, details_pb2.BadRequest).field_violations) == 8
    assert len(status.SerializeToString()) < 5_000


def test_an_internal_error_says_where_to_look_and_nothing_else() -> None:
    status = to_status(internal_error("c-1"))
    assert status.message == "internal error; quote correlation id c-1"
    assert dict(detail(status, details_pb2.ErrorInfo).metadata) == {"correlation_id": "c-1"}
