"""Decides what happens when a capture or a refund that had succeeded fails later."""

from __future__ import annotations

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.intent.commands import ReverseCapture, ReverseRefund
from payflow.domain.intent.decision import Decision, Situation, refuse_move
from payflow.domain.intent.events import PaymentIntentCaptureReversed, RefundReversed
from payflow.domain.intent.state import IntentAggregate
from payflow.domain.intent.status import IntentStatus, RefundStatus
from payflow.domain.ledger import posting_rules


def reverse_capture(aggregate: IntentAggregate, command: ReverseCapture, situation: Situation) -> Decision:
    """The exact reversal of a capture that nothing was refunded of; a refund on its way ends before that."""
    intent = aggregate.intent
    if intent.refund_pending_amount:
        raise PayFlowError(
            Reason.CONCURRENT_UPDATE, "a refund is on its way", retry_after_s=1.0, subject=intent.id
        )
    if intent.status is not IntentStatus.CAPTURED or intent.refundable_amount != intent.captured_amount:
        raise refuse_move(intent, "reverse the capture of")
    posting = posting_rules.capture_reversed(
        intent.book,
        situation.new_id("txn"),
        intent.captured_amount,
        intent.fee_amount,
        intent.capture_transaction_id,
    )
    return Decision((PaymentIntentCaptureReversed(command.failure, posting),))


def reverse_refund(aggregate: IntentAggregate, command: ReverseRefund, situation: Situation) -> Decision:
    """The exact reversal of a refund; its amount may be refunded again."""
    refund = aggregate.refunds.get(command.refund_id)
    if refund is None or refund.status is not RefundStatus.REFUNDED:
        raise PayFlowError(
            Reason.INVALID_STATE_TRANSITION,
            "only a refund that succeeded can fail later",
            subject=command.refund_id,
        )
    posting = posting_rules.refund_reversed(
        aggregate.intent.book, situation.new_id("txn"), refund.amount, refund.refund_transaction_id
    )
    return Decision((RefundReversed(refund.id, command.failure, posting),), refund_id=refund.id)
