"""The one place where a PayFlowError becomes a gRPC status.

Canonical code, message, and a google.rpc.Status in ``grpc-status-details-bin``. Every text is cut to a
size in bytes, so that what a caller sent and an error repeats can never outgrow the 8 KiB of trailing
metadata that clients accept.
"""

from __future__ import annotations

from typing import Final, NoReturn

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from payflow.domain.errors import PayFlowError, Reason

DOMAIN: Final = "payflow"
STATUS_DETAILS: Final = "grpc-status-details-bin"

MESSAGE_BYTES_MAX: Final = 512
TEXT_BYTES_MAX: Final = 128
NAME_BYTES_MAX: Final = 64
FIELDS_MAX: Final = 8
METADATA_MAX: Final = 8


def abort(context: grpc.ServicerContext, error: PayFlowError) -> NoReturn:
    """Ends the call with ``error``, keeping the trailing metadata that was set before."""
    status = to_status(error)
    trailing = context.trailing_metadata() or ()
    context.set_trailing_metadata((*trailing, (STATUS_DETAILS, status.SerializeToString())))
    context.abort(grpc.StatusCode[error.reason.code], status.message)


def internal_error(correlation_id: str) -> PayFlowError:
    """What a caller may know of a fault of ours: where to find it in the log, and nothing else."""
    return PayFlowError(
        Reason.INTERNAL,
        f"internal error; quote correlation id {correlation_id}",
        metadata={"correlation_id": correlation_id},
    )


def to_status(error: PayFlowError) -> status_pb2.Status:
    """The google.rpc.Status of ``error``, details included."""
    status = status_pb2.Status(
        code=grpc.StatusCode[error.reason.code].value[0],
        message=_cut(error.message, MESSAGE_BYTES_MAX),
    )
    for detail in _details(error):
        status.details.add().Pack(detail)
    return status


def _details(error: PayFlowError) -> list[Message]:
    details: list[Message] = [
        error_details_pb2.ErrorInfo(domain=DOMAIN, reason=error.reason.name, metadata=_metadata(error))
    ]
    if error.fields:
        details.append(_bad_request(error))
    if error.reason.code == grpc.StatusCode.FAILED_PRECONDITION.name:
        details.append(_precondition_failure(error))
    if error.retry_after_s is not None:
        details.append(_retry_info(error.retry_after_s))
    return details


def _metadata(error: PayFlowError) -> dict[str, str]:
    return {
        _cut(name, NAME_BYTES_MAX): _cut(value, TEXT_BYTES_MAX)
        for name, value in list(error.metadata.items())[:METADATA_MAX]
    }


def _bad_request(error: PayFlowError) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=_cut(violation.field, NAME_BYTES_MAX),
                description=_cut(violation.description, TEXT_BYTES_MAX),
            )
            for violation in error.fields[:FIELDS_MAX]
        ]
    )


def _precondition_failure(error: PayFlowError) -> error_details_pb2.PreconditionFailure:
    return error_details_pb2.PreconditionFailure(
        violations=[
            error_details_pb2.PreconditionFailure.Violation(
                type=error.reason.name,
                subject=_cut(error.subject, TEXT_BYTES_MAX),
                description=_cut(error.message, MESSAGE_BYTES_MAX),
            )
        ]
    )


def _retry_info(retry_after_s: float) -> error_details_pb2.RetryInfo:
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromNanoseconds(max(0, round(retry_after_s * 1e9)))
    return info


def _cut(text: str, bytes_max: int) -> str:
    return text.encode("utf-8", "replace")[:bytes_max].decode("utf-8", "ignore")
