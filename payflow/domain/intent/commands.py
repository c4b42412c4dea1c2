"""What can be asked of a payment intent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from payflow.domain.endpoint import Endpoint
from payflow.domain.intent.state import DEFAULT_PAYMENT_METHOD_TYPE, CancellationReason, CaptureMethod
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import Failure, Outcome
from payflow.domain.routing.decision import RoutingDecision
from payflow.domain.texts import Texts


@dataclass(frozen=True, slots=True)
class CreateIntent:
    """Creates an intent."""

    merchant_id: str
    intent_id: str
    amount: int
    currency: str
    capture_method: CaptureMethod = CaptureMethod.MANUAL
    payment_method: str = ""
    texts: Texts = field(default_factory=Texts)
    payment_method_type: str = DEFAULT_PAYMENT_METHOD_TYPE
    country: str = ""


@dataclass(frozen=True, slots=True)
class StartAuthorize:
    """Writes down an authorization at the PSP account that routing chose, with ``fallbacks`` behind it.

    ``return_url`` is where the payer comes back to, ``action_result`` what they brought back from there.
    ``decision`` is how routing chose, for the record.
    """

    merchant_id: str
    intent_id: str
    psp_account_id: str
    payment_method: str = ""
    fallbacks: tuple[str, ...] = ()
    return_url: str = ""
    action_result: str = ""
    decision: RoutingDecision | None = None


@dataclass(frozen=True, slots=True)
class StartCapture:
    """Writes down a capture; None takes all that is authorized.

    ``may_be_partial`` says that the PSP can take less than that.
    """

    merchant_id: str
    intent_id: str
    amount: int | None = None
    may_be_partial: bool = True


@dataclass(frozen=True, slots=True)
class StartCancel:
    """Cancels at once what no PSP knows of, and writes down a void of what one does.

    ``may_call_psp`` says that the caller holds a place to wait for the PSP in.
    """

    merchant_id: str
    intent_id: str
    reason: CancellationReason = CancellationReason.REQUESTED
    may_call_psp: bool = True


@dataclass(frozen=True, slots=True)
class StartRefund:
    """Writes down a refund; None gives back all that is left."""

    merchant_id: str
    intent_id: str
    amount: int | None = None
    texts: Texts = field(default_factory=Texts)


@dataclass(frozen=True, slots=True)
class ResumeAttempt:
    """Takes over an attempt that is due, unless somebody took it first (``fence`` moved on).

    ``early`` takes one that nobody holds before it is due, such as when its PSP is back.
    """

    merchant_id: str
    intent_id: str
    attempt_id: str
    fence: int
    early: bool = False


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    """Writes down what a PSP call came to. ``refund_id`` and ``idempotency_key`` are the attempt's.

    ``fallback`` is the PSP account to go on to where the outcome proves that nothing was executed. An attempt
    that was taken early ``was_due_at`` that instant.
    """

    merchant_id: str
    intent_id: str
    attempt_id: str
    fence: int
    outcome: Outcome
    refund_id: str = ""
    idempotency_key: str = ""
    fallback: str = ""
    was_due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApplyNotice:
    """Applies what a PSP said without being asked, through ``endpoint``.

    ``refund_ids`` and ``idempotency_keys`` are those of the intent's attempts that the notice may be about.
    """

    merchant_id: str
    intent_id: str
    notice: Notice
    endpoint: Endpoint
    refund_ids: tuple[str, ...] = ()
    idempotency_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReverseCapture:
    """The scheme rejected a capture that had succeeded."""

    merchant_id: str
    intent_id: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class ReverseRefund:
    """A refund that had succeeded failed later."""

    merchant_id: str
    intent_id: str
    refund_id: str
    failure: Failure


IntentCommand = (
    CreateIntent
    | StartAuthorize
    | StartCapture
    | StartCancel
    | StartRefund
    | ResumeAttempt
    | RecordOutcome
    | ApplyNotice
    | ReverseCapture
    | ReverseRefund
)
