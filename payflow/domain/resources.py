"""What callers get to see: the things that responses are made of."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.domain.intent.state import IntentAggregate, PaymentIntent, Refund, Texts
from payflow.domain.merchant.state import Merchant, PspAccount


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


Resource = PaymentIntentView | RefundView | Merchant | PspAccount


def view(aggregate: IntentAggregate, refund_id: str = "") -> PaymentIntentView | RefundView:
    """The intent of an aggregate, or one of its refunds."""
    texts = aggregate.texts.get(refund_id or aggregate.intent.id, Texts())
    if refund_id:
        return RefundView(aggregate.refunds[refund_id], texts)
    return PaymentIntentView(aggregate.intent, texts)
