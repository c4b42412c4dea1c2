"""Decides what a caller asks for: everything up to the call to the PSP."""

from __future__ import annotations

from payflow.domain.errors import PayFlowError, Reason, invalid_field
from payflow.domain.intent.attempting import new_attempt
from payflow.domain.intent.commands import (
    CreateIntent,
    StartAuthorize,
    StartCancel,
    StartCapture,
    StartRefund,
)
from payflow.domain.intent.decision import Decision, Situation, refuse_move
from payflow.domain.intent.events import (
    PaymentIntentCanceled,
    PaymentIntentCreated,
    PaymentIntentOperationStarted,
    PaymentIntentRouted,
    RefundCreated,
)
from payflow.domain.intent.state import CancellationReason, IntentAggregate, PaymentIntent
from payflow.domain.intent.status import IntentStatus, RefundStatus
from payflow.domain.ledger import posting_rules
from payflow.domain.merchant.state import Mode, PspAccount
from payflow.domain.psp_outcome import OperationType

DEFAULT_TEST_PAYMENT_METHOD = "pm_card_visa"
PENDING_REFUNDS_MAX = 100


def create(command: CreateIntent, situation: Situation) -> Decision:
    """An intent in CREATED."""
    event = PaymentIntentCreated(
        command.amount,
        command.currency,
        command.capture_method,
        command.payment_method,
        command.texts.sha256(),
        command.payment_method_type,
        command.country,
    )
    return Decision((event,), {command.intent_id: command.texts})


def authorize(aggregate: IntentAggregate, command: StartAuthorize, situation: Situation) -> Decision:
    """A first authorization, or the rest of one that the payer had to act on."""
    intent = aggregate.intent
    if intent.status not in (IntentStatus.CREATED, IntentStatus.REQUIRES_ACTION):
        raise refuse_move(intent, "authorize")
    account = _account(intent, command, situation)
    attempt = new_attempt(
        intent,
        OperationType.AUTHORIZE,
        intent.amount,
        account,
        situation,
        payment_method=_payment_method(intent, command, situation),
        return_url=command.return_url,
        action_result=command.action_result,
    )
    fallbacks = _fallbacks(intent, command)
    started = PaymentIntentOperationStarted(
        attempt, fallbacks=fallbacks, fallback_costs=_costs(command, fallbacks)
    )
    return Decision((*_routed(intent, command), started), attempt_id=attempt.id)


def capture(aggregate: IntentAggregate, command: StartCapture, situation: Situation) -> Decision:
    """A capture of all or part; only one is ever made, and it releases the rest."""
    intent = aggregate.intent
    if intent.status is not IntentStatus.AUTHORIZED:
        raise refuse_move(intent, "capture")
    if _has_expired(intent, situation):
        raise PayFlowError(
            Reason.INVALID_STATE_TRANSITION, "the authorization has run out", subject=intent.id
        )
    amount = intent.authorized_amount if command.amount is None else command.amount
    if amount > intent.authorized_amount:
        raise PayFlowError(
            Reason.AMOUNT_EXCEEDS_CAPTURABLE,
            f"amount {amount} is more than the {intent.authorized_amount} that is authorized",
            metadata={"capturable": str(intent.authorized_amount)},
            subject=intent.id,
        )
    if amount < intent.authorized_amount and not command.may_be_partial:
        raise invalid_field(
            "amount", f"must be all of the {intent.authorized_amount} authorized: the PSP captures no part"
        )
    account = situation.merchant.psp_account(intent.psp_account_id)
    attempt = new_attempt(intent, OperationType.CAPTURE, amount, account, situation)
    return Decision((PaymentIntentOperationStarted(attempt),), attempt_id=attempt.id)


def cancel(aggregate: IntentAggregate, command: StartCancel, situation: Situation) -> Decision:
    """The end of an intent that took no money; an authorization that ran out is voided the same way."""
    intent = aggregate.intent
    if command.reason is CancellationReason.EXPIRED and not _has_expired(intent, situation):
        return Decision()
    if intent.status is IntentStatus.CREATED:
        return Decision((PaymentIntentCanceled(command.reason),))
    if intent.status not in (IntentStatus.AUTHORIZED, IntentStatus.REQUIRES_ACTION):
        raise refuse_move(intent, "cancel")
    if not command.may_call_psp:
        raise PayFlowError(
            Reason.CONCURRENT_UPDATE,
            "the payment intent changed meanwhile",
            retry_after_s=0.1,
            subject=intent.id,
        )
    account = situation.merchant.psp_account(intent.psp_account_id)
    amount = intent.authorized_amount or intent.amount
    attempt = new_attempt(intent, OperationType.CANCEL, amount, account, situation)
    return Decision((PaymentIntentOperationStarted(attempt, command.reason),), attempt_id=attempt.id)


def refund(aggregate: IntentAggregate, command: StartRefund, situation: Situation) -> Decision:
    """A refund whose amount is reserved before the PSP hears of it."""
    intent = aggregate.intent
    if intent.status not in (IntentStatus.CAPTURED, IntentStatus.REFUNDED):
        raise refuse_move(intent, "refund")
    amount = intent.refundable_amount if command.amount is None else command.amount
    if amount == 0 or amount > intent.refundable_amount:
        raise PayFlowError(
            Reason.AMOUNT_EXCEEDS_REFUNDABLE,
            f"amount {amount} cannot be refunded: {intent.refundable_amount} is left",
            metadata={"refundable": str(intent.refundable_amount)},
            subject=intent.id,
        )
    pending = [one for one in aggregate.refunds.values() if one.status is RefundStatus.PENDING]
    if len(pending) >= PENDING_REFUNDS_MAX:
        raise PayFlowError(Reason.LIMIT_REACHED, f"at most {PENDING_REFUNDS_MAX} refunds may be pending")
    account = situation.merchant.psp_account(intent.psp_account_id)
    refund_id = situation.new_id("re")
    attempt = new_attempt(intent, OperationType.REFUND, amount, account, situation, refund_id=refund_id)
    hold = posting_rules.refund_asked(intent.book, situation.new_id("txn"), amount)
    event = RefundCreated(refund_id, amount, command.texts.sha256(), attempt, hold)
    return Decision((event,), {refund_id: command.texts}, attempt.id, refund_id)


def _account(intent: PaymentIntent, command: StartAuthorize, situation: Situation) -> PspAccount:
    if intent.status is IntentStatus.REQUIRES_ACTION:
        return situation.merchant.psp_account(intent.psp_account_id)
    account = situation.merchant.psp_accounts.get(command.psp_account_id)
    if account is None or not account.enabled:
        raise PayFlowError(
            Reason.NO_PSP_AVAILABLE, "the merchant has no enabled PSP account for this payment"
        )
    return account


def _routed(intent: PaymentIntent, command: StartAuthorize) -> tuple[PaymentIntentRouted, ...]:
    """A payment that a PSP knows already stays there."""
    if command.decision is None or intent.status is not IntentStatus.CREATED:
        return ()
    return (PaymentIntentRouted(command.decision),)


def _fallbacks(intent: PaymentIntent, command: StartAuthorize) -> tuple[str, ...]:
    """None either then."""
    return command.fallbacks if intent.status is IntentStatus.CREATED else ()


def _costs(command: StartAuthorize, accounts: tuple[str, ...]) -> tuple[int, ...]:
    return command.decision.costs_at(accounts) if command.decision else (0,) * len(accounts)


def _payment_method(intent: PaymentIntent, command: StartAuthorize, situation: Situation) -> str:
    if intent.status is IntentStatus.REQUIRES_ACTION:
        if command.payment_method not in ("", intent.payment_method):
            raise invalid_field("payment_method", "must stay the same when an authorization is resumed")
        return intent.payment_method
    return chosen_payment_method(intent, command.payment_method, situation.merchant.mode)


def chosen_payment_method(intent: PaymentIntent, given: str, mode: Mode) -> str:
    """The token of a first authorization. Raises VALIDATION_FAILED for a live merchant without one."""
    chosen = given or intent.payment_method
    if not chosen and mode is Mode.LIVE:
        raise invalid_field("payment_method", "is required for a live merchant")
    return chosen or DEFAULT_TEST_PAYMENT_METHOD


def _has_expired(intent: PaymentIntent, situation: Situation) -> bool:
    expires_at = intent.authorization_expires_at
    return intent.status is IntentStatus.AUTHORIZED and expires_at is not None and expires_at <= situation.now
