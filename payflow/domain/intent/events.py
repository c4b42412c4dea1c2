"""What can happen to a payment intent. Field names are those of proto/payflow/v1/events.proto."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payflow.domain.intent.state import DEFAULT_PAYMENT_METHOD_TYPE, CancellationReason, CaptureMethod
from payflow.domain.ledger.transaction import Transaction
from payflow.domain.psp_outcome import Failure, NextAction, OperationType
from payflow.domain.routing.decision import RoutingDecision


@dataclass(frozen=True, slots=True)
class AttemptDetails:
    """A PSP call as it is written down before it is made."""

    id: str
    operation: OperationType
    amount: int
    psp_account_id: str
    connector: str
    psp_key: str
    due_at: datetime
    payment_method: str = ""
    psp_payment_id: str = ""
    idempotency_key: str = ""
    refund_id: str = ""
    return_url: str = ""
    action_result: str = ""
    undoes: str = ""
    undoes_transaction_id: str = ""


@dataclass(frozen=True, slots=True)
class PaymentIntentCreated:
    """An intent was created."""

    amount: int
    currency: str
    capture_method: CaptureMethod
    payment_method: str
    text_sha256: bytes
    payment_method_type: str = DEFAULT_PAYMENT_METHOD_TYPE
    country: str = ""


@dataclass(frozen=True, slots=True)
class PaymentIntentRouted:
    """It was decided which PSP accounts a payment goes to."""

    decision: RoutingDecision


@dataclass(frozen=True, slots=True)
class PaymentIntentOperationStarted:
    """A PSP call is about to be made. ``fallback_costs`` are what the PSPs of ``fallbacks`` would keep."""

    attempt: AttemptDetails
    cancellation_reason: CancellationReason | None = None
    fallbacks: tuple[str, ...] = ()
    fallback_costs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentIntentFailedOver:
    """An attempt provably did nothing, and another PSP account is tried.

    ``declined`` says that the PSP answered no; otherwise it did nothing. ``fallbacks`` are those still left,
    and ``fallback_costs`` what their PSPs would keep; ``routing_cost`` is that of the one that is tried.
    """

    attempt_id: str
    declined: bool
    failure: Failure
    attempt: AttemptDetails
    fallbacks: tuple[str, ...] = ()
    fallback_costs: tuple[int, ...] = ()
    routing_cost: int = 0


@dataclass(frozen=True, slots=True)
class AttemptResumed:
    """Somebody else took over an attempt."""

    attempt_id: str
    fence: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptOutcomeUnknown:
    """The PSP's answer is not known; it is asked again at ``due_at``."""

    attempt_id: str
    checks: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptAccepted:
    """The PSP took the operation in, or what ``shuts_out`` it, and tells later; it is asked at ``due_at``."""

    attempt_id: str
    psp_reference: str
    checks: int
    due_at: datetime
    shuts_out: bool = False


@dataclass(frozen=True, slots=True)
class AttemptParked:
    """All checks are used up; an operator has to look."""

    attempt_id: str


@dataclass(frozen=True, slots=True)
class PaymentIntentOperationAborted:
    """The operation provably did not happen; the intent is back where it was."""

    attempt_id: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class PaymentIntentActionRequired:
    """The payer has to act."""

    attempt_id: str
    psp_payment_id: str
    next_action: NextAction


@dataclass(frozen=True, slots=True)
class PaymentIntentAuthorized:
    """The amount is reserved at the PSP."""

    attempt_id: str
    psp_payment_id: str
    authorized_amount: int
    authorization_expires_at: datetime | None
    transaction: Transaction


@dataclass(frozen=True, slots=True)
class PaymentIntentCaptured:
    """The money was taken."""

    attempt_id: str
    psp_payment_id: str
    captured_amount: int
    fee_amount: int
    transaction: Transaction
    currency: str
    psp_account_id: str


@dataclass(frozen=True, slots=True)
class PaymentIntentCanceled:
    """The intent ended without taking money; without ``psp_reference`` its PSP had nothing to cancel yet."""

    reason: CancellationReason
    attempt_id: str = ""
    transaction: Transaction | None = None
    psp_reference: str = ""


@dataclass(frozen=True, slots=True)
class PaymentIntentFailed:
    """The PSP declined for good."""

    attempt_id: str
    psp_payment_id: str
    failure: Failure
    transaction: Transaction | None = None


@dataclass(frozen=True, slots=True)
class PaymentIntentCaptureReversed:
    """A capture was rejected after it had succeeded."""

    failure: Failure
    transaction: Transaction


@dataclass(frozen=True, slots=True)
class AttemptStrayed:
    """An authorization succeeded after it had been given up; ``attempt`` voids or refunds it."""

    attempt_id: str
    psp_payment_id: str
    attempt: AttemptDetails
    transaction: Transaction


@dataclass(frozen=True, slots=True)
class AttemptUndone:
    """What a stray authorization had done is undone at the PSP and in the ledger."""

    attempt_id: str
    transaction: Transaction


@dataclass(frozen=True, slots=True)
class RefundCreated:
    """A refund was asked for, and its amount reserved."""

    refund_id: str
    amount: int
    text_sha256: bytes
    attempt: AttemptDetails
    transaction: Transaction


@dataclass(frozen=True, slots=True)
class RefundSucceeded:
    """A refund went through."""

    refund_id: str
    attempt_id: str
    psp_refund_id: str
    transaction: Transaction
    amount: int
    currency: str
    psp_account_id: str


@dataclass(frozen=True, slots=True)
class RefundFailed:
    """A refund was refused, or provably did not happen."""

    refund_id: str
    attempt_id: str
    failure: Failure
    transaction: Transaction


@dataclass(frozen=True, slots=True)
class RefundReversed:
    """A refund failed after it had succeeded."""

    refund_id: str
    failure: Failure
    transaction: Transaction


IntentEvent = (
    PaymentIntentCreated
    | PaymentIntentRouted
    | PaymentIntentOperationStarted
    | PaymentIntentFailedOver
    | AttemptResumed
    | AttemptOutcomeUnknown
    | AttemptAccepted
    | AttemptParked
    | AttemptStrayed
    | AttemptUndone
    | PaymentIntentOperationAborted
    | PaymentIntentActionRequired
    | PaymentIntentAuthorized
    | PaymentIntentCaptured
    | PaymentIntentCanceled
    | PaymentIntentFailed
    | PaymentIntentCaptureReversed
    | RefundCreated
    | RefundSucceeded
    | RefundFailed
    | RefundReversed
)
