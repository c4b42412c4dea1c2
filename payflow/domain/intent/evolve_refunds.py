"""Applies the events of a payment intent's refunds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from payflow.domain.intent.changes import change_intent, change_refund, finish_attempt, with_attempt
from payflow.domain.intent.events import RefundCreated, RefundFailed, RefundReversed, RefundSucceeded
from payflow.domain.intent.state import AttemptState, IntentAggregate, Refund
from payflow.domain.intent.status import IntentStatus, RefundStatus


def refund_created(aggregate: IntentAggregate, event: RefundCreated, at: datetime) -> IntentAggregate:
    """The refund is pending and its amount reserved."""
    intent = aggregate.intent
    refund = Refund(
        event.refund_id,
        intent.id,
        intent.merchant_id,
        event.amount,
        intent.currency,
        RefundStatus.PENDING,
        at,
        event.transaction.id,
    )
    reserved = change_intent(aggregate, refund_pending_amount=intent.refund_pending_amount + event.amount)
    kept = replace(reserved, refunds={**aggregate.refunds, refund.id: refund})
    return with_attempt(kept, event.attempt, at)


def refund_succeeded(aggregate: IntentAggregate, event: RefundSucceeded, at: datetime) -> IntentAggregate:
    """The money was given back."""
    amount = aggregate.refunds[event.refund_id].amount
    finished = finish_attempt(aggregate, event.attempt_id, AttemptState.SUCCEEDED, at)
    settled = change_refund(
        finished,
        event.refund_id,
        status=RefundStatus.REFUNDED,
        psp_refund_id=event.psp_refund_id,
        refunded_at=at,
        refund_transaction_id=event.transaction.id,
    )
    return _move_refunded(settled, pending=-amount, refunded=amount)


def refund_failed(aggregate: IntentAggregate, event: RefundFailed, at: datetime) -> IntentAggregate:
    """The reserved amount is free again."""
    amount = aggregate.refunds[event.refund_id].amount
    finished = finish_attempt(aggregate, event.attempt_id, AttemptState.DECLINED, at, event.failure)
    failed = change_refund(finished, event.refund_id, status=RefundStatus.FAILED, failure=event.failure)
    return _move_refunded(failed, pending=-amount, refunded=0)


def refund_reversed(aggregate: IntentAggregate, event: RefundReversed, at: datetime) -> IntentAggregate:
    """What was given back is the merchant's again."""
    amount = aggregate.refunds[event.refund_id].amount
    failed = change_refund(aggregate, event.refund_id, status=RefundStatus.FAILED, failure=event.failure)
    return _move_refunded(failed, pending=0, refunded=-amount)


def _move_refunded(aggregate: IntentAggregate, pending: int, refunded: int) -> IntentAggregate:
    intent = aggregate.intent
    total = intent.refunded_amount + refunded
    whole = total == intent.captured_amount
    return change_intent(
        aggregate,
        refund_pending_amount=intent.refund_pending_amount + pending,
        refunded_amount=total,
        status=IntentStatus.REFUNDED if whole else IntentStatus.CAPTURED,
    )
