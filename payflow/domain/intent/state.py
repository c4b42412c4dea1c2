"""What is known of a payment intent, its refunds and its PSP attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from payflow.domain.intent.status import IntentStatus, RefundStatus
from payflow.domain.ledger.posting_rules import Book, Hold
from payflow.domain.psp_outcome import Failure, NextAction, OperationType
from payflow.domain.texts import Texts

DEFAULT_PAYMENT_METHOD_TYPE = "card"


class CaptureMethod(StrEnum):
    """When the money is taken: by a capture, or by the authorization at once."""

    MANUAL = "MANUAL"
    AUTOMATIC = "AUTOMATIC"


class CancellationReason(StrEnum):
    """Why an intent was canceled."""

    REQUESTED = "REQUESTED"
    EXPIRED = "EXPIRED"
    PSP = "PSP"


class AttemptState(StrEnum):
    """RUNNING has a caller who waits; UNKNOWN waits for its next check; PARKED for an operator.

    ACCEPTED waits for the PSP to tell. STRAY had been given up when it turned out to have succeeded; another
    attempt undoes it, and behind that it is UNDONE.
    """

    RUNNING = "RUNNING"
    UNKNOWN = "UNKNOWN"
    ACCEPTED = "ACCEPTED"
    PARKED = "PARKED"
    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"
    NOT_EXECUTED = "NOT_EXECUTED"
    STRAY = "STRAY"
    UNDONE = "UNDONE"


WAITING_ATTEMPTS = frozenset({AttemptState.UNKNOWN, AttemptState.ACCEPTED, AttemptState.PARKED})
OPEN_ATTEMPTS = WAITING_ATTEMPTS | {AttemptState.RUNNING}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to a PSP. Whoever holds the current ``fence`` may record its outcome, until ``due_at``.

    ``checks`` counts the times that the PSP was asked and did not tell, ``vanished`` those who held it and
    never wrote an outcome down. ``psp_reference`` is what the PSP calls an operation that it has accepted,
    or a cancellation of whatever came of it (``shuts_out``).
    ``undoes`` is the stray attempt that this one undoes, ``undoes_transaction_id`` what that one booked.
    """

    id: str
    payment_intent_id: str
    operation: OperationType
    amount: int
    currency: str
    psp_account_id: str
    connector: str
    psp_key: str
    payment_method: str
    psp_payment_id: str
    sale: bool
    refund_id: str
    idempotency_key: str
    state: AttemptState
    fence: int
    checks: int
    due_at: datetime
    started_at: datetime
    finished_at: datetime | None = None
    vanished: int = 0
    return_url: str = ""
    action_result: str = ""
    psp_reference: str = ""
    shuts_out: bool = False
    undoes: str = ""
    undoes_transaction_id: str = ""
    failure: Failure | None = None

    @property
    def number(self) -> int:
        """Its place among its intent's attempts, from 1."""
        return int(self.psp_key.rpartition("-")[2])

    @property
    def is_open(self) -> bool:
        """Whether an outcome is still to come."""
        return self.state in OPEN_ATTEMPTS


@dataclass(frozen=True, slots=True)
class Operation:
    """The call in flight while an intent is PROCESSING; on proof of no effect it goes back to ``resumes``.

    ``fallbacks`` are the PSP accounts that it may go on to instead, best first, and ``fallback_costs`` what
    their PSPs would keep, in minor units.
    """

    type: OperationType
    amount: int
    since: datetime
    attempt_id: str
    resumes: IntentStatus
    cancellation_reason: CancellationReason | None = None
    fallbacks: tuple[str, ...] = ()
    fallback_costs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """A payment; every amount is minor units of ``currency``.

    ``payment_method_type`` is the kind of payment method, such as ``card``; ``country`` the payer's, where it
    is known. ``routing_cost`` is what the PSP that it went to would keep, as estimated when it was routed.
    """

    id: str
    merchant_id: str
    amount: int
    currency: str
    status: IntentStatus
    capture_method: CaptureMethod
    payment_method: str
    created_at: datetime
    updated_at: datetime
    version: int = 1
    operation: Operation | None = None
    authorized_amount: int = 0
    captured_amount: int = 0
    fee_amount: int = 0
    refunded_amount: int = 0
    refund_pending_amount: int = 0
    psp: str = ""
    psp_account_id: str = ""
    psp_payment_id: str = ""
    next_action: NextAction | None = None
    failure: Failure | None = None
    cancellation_reason: CancellationReason | None = None
    hold_transaction_id: str = ""
    capture_transaction_id: str = ""
    attempts_started: int = 0
    authorized_at: datetime | None = None
    authorization_expires_at: datetime | None = None
    captured_at: datetime | None = None
    canceled_at: datetime | None = None
    payment_method_type: str = DEFAULT_PAYMENT_METHOD_TYPE
    country: str = ""
    experiment_id: str = ""
    experiment_arm: str = ""
    routing_cost: int = 0

    @property
    def refundable_amount(self) -> int:
        """What may still be given back."""
        return self.captured_amount - self.refunded_amount - self.refund_pending_amount

    @property
    def book(self) -> Book:
        """Where it posts."""
        return Book(self.psp_account_id, self.currency)

    @property
    def hold(self) -> Hold | None:
        """Its open hold in the ledger."""
        return Hold(self.hold_transaction_id, self.authorized_amount) if self.hold_transaction_id else None


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back; ``amount`` is minor units of ``currency``."""

    id: str
    payment_intent_id: str
    merchant_id: str
    amount: int
    currency: str
    status: RefundStatus
    created_at: datetime
    hold_transaction_id: str
    psp_refund_id: str = ""
    failure: Failure | None = None
    refund_transaction_id: str = ""
    refunded_at: datetime | None = None

    @property
    def hold(self) -> Hold:
        """Its hold in the ledger."""
        return Hold(self.hold_transaction_id, self.amount)


@dataclass(frozen=True, slots=True)
class IntentAggregate:
    """An intent with those of its refunds and attempts that the commands at hand speak of.

    ``texts`` holds the free text of the intent and refunds by id; it comes from beside the events.
    """

    intent: PaymentIntent
    refunds: Mapping[str, Refund] = field(default_factory=dict)
    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    texts: Mapping[str, Texts] = field(default_factory=dict)
