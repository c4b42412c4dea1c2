"""What callers get to see: the things that responses are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payflow.domain.dead_letter import DeadLetterView
from payflow.domain.errors import PayFlowError
from payflow.domain.intent.state import Attempt, IntentAggregate, PaymentIntent, Refund
from payflow.domain.ledger.account import Account
from payflow.domain.ledger.transaction import RecordedTransaction
from payflow.domain.merchant.state import Merchant, PspAccount
from payflow.domain.routing.experiment import Experiment
from payflow.domain.routing.state import RulesVersion
from payflow.domain.texts import Texts


@dataclass(frozen=True, slots=True)
class PaymentIntentView:
    """An intent with its free text."""

    intent: PaymentIntent
    texts: Texts


@dataclass(frozen=True, slots=True)
class RefundView:
    """A refund with its free text."""

    refund: Refund
    texts: Texts


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """A PSP call of a merchant's that has no outcome yet."""

    merchant_id: str
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class AccountView:
    """A ledger account; ``texts`` are its name and metadata."""

    merchant_id: str
    account: Account
    texts: Texts
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TransactionView:
    """A ledger transaction as it stands; ``texts`` are its description and metadata."""

    merchant_id: str
    recorded: RecordedTransaction
    texts: Texts


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of each transaction of a bulk, in its order."""

    items: tuple[TransactionView | PayFlowError, ...]


Resource = (
    PaymentIntentView
    | RefundView
    | Merchant
    | PspAccount
    | AccountView
    | TransactionView
    | BulkResult
    | RulesVersion
    | Experiment
    | DeadLetterView
)


def view(aggregate: IntentAggregate, refund_id: str = "") -> PaymentIntentView | RefundView:
    """The intent of an aggregate, or one of its refunds."""
    texts = aggregate.texts.get(refund_id or aggregate.intent.id, Texts())
    if refund_id:
        return RefundView(aggregate.refunds[refund_id], texts)
    return PaymentIntentView(aggregate.intent, texts)
