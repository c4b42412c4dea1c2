"""The one family of errors that callers see; the gRPC server maps it to codes and details."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum


class Reason(Enum):
    """Stable reasons of the public contract; the value is the canonical gRPC code's name."""

    def __new__(cls, code: str) -> Reason:
        member = object.__new__(cls)
        member._value_ = len(cls.__members__)
        member.code = code
        return member

    code: str

    VALIDATION_FAILED = "INVALID_ARGUMENT"
    REQUEST_TOO_LARGE = "INVALID_ARGUMENT"
    IDEMPOTENCY_KEY_REUSED = "INVALID_ARGUMENT"
    CURRENCY_MISMATCH = "INVALID_ARGUMENT"
    UNBALANCED_TRANSACTION = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    ROUTE_NOT_FOUND = "NOT_FOUND"
    ACCOUNT_EXISTS = "ALREADY_EXISTS"
    TRANSACTION_EXISTS = "ALREADY_EXISTS"
    MERCHANT_EXISTS = "ALREADY_EXISTS"
    PSP_ACCOUNT_EXISTS = "ALREADY_EXISTS"
    INVALID_STATE_TRANSITION = "FAILED_PRECONDITION"
    AMOUNT_EXCEEDS_CAPTURABLE = "FAILED_PRECONDITION"
    AMOUNT_EXCEEDS_REFUNDABLE = "FAILED_PRECONDITION"
    INSUFFICIENT_BALANCE = "FAILED_PRECONDITION"
    LIMIT_REACHED = "FAILED_PRECONDITION"
    PSP_REFUSED = "FAILED_PRECONDITION"
    IDEMPOTENCY_KEY_IN_USE = "ABORTED"
    CONCURRENT_UPDATE = "ABORTED"
    RATE_LIMITED = "RESOURCE_EXHAUSTED"
    OVERLOADED = "RESOURCE_EXHAUSTED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    NO_PSP_AVAILABLE = "UNAVAILABLE"
    DATABASE_UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad field of a request and what was expected of it."""

    field: str
    description: str


@dataclass(eq=False)
class PayFlowError(Exception):
    """A refusal that the caller is told about, with nothing internal in it.

    ``retry_after_s`` is set where the same request may succeed later. ``subject`` names what a failed
    precondition is about, such as a payment intent's id.
    """

    reason: Reason
    message: str
    fields: tuple[FieldViolation, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: float | None = None
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.reason.name}: {self.message}"


def invalid_field(name: str, description: str) -> PayFlowError:
    """A VALIDATION_FAILED error about one field."""
    return PayFlowError(
        Reason.VALIDATION_FAILED, f"{name}: {description}", (FieldViolation(name, description),)
    )


def inside(part: str, error: PayFlowError) -> PayFlowError:
    """The error as seen from further out: its fields belong to ``part`` of the request."""
    if not error.fields:
        return error
    fields = tuple(FieldViolation(f"{part}.{one.field}", one.description) for one in error.fields)
    return replace(error, message=f"{part}.{error.message}", fields=fields)


def not_found(kind: str, identifier: str) -> PayFlowError:
    """A NOT_FOUND error; a foreign merchant's object is answered in the same words."""
    return PayFlowError(Reason.NOT_FOUND, f"no {kind} with id {identifier!r}", subject=identifier)
