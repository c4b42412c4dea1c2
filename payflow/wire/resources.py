"""Resources as callers see them."""

from __future__ import annotations

from functools import singledispatch

from google.protobuf.message import Message

from payflow.domain.dead_letter import DeadLetterView
from payflow.domain.merchant.state import Merchant, PspAccount
from payflow.domain.psp_outcome import Failure
from payflow.domain.resources import (
    AccountView,
    BulkResult,
    PaymentIntentView,
    RefundView,
    Resource,
    TransactionView,
)
from payflow.domain.routing.experiment import Experiment
from payflow.domain.routing.state import RulesVersion
from payflow.v1 import merchant_pb2, payment_intent_pb2, payment_types_pb2, refund_pb2
from payflow.wire import dead_letters, ledger, routing
from payflow.wire.timestamps import timestamp


def to_bytes(resource: Resource) -> bytes:
    """The response that is stored with an idempotency key."""
    return to_message(resource).SerializeToString(deterministic=True)


@singledispatch
def to_message(resource: Resource) -> Message:
    """The protobuf message of a resource."""
    raise TypeError(f"{type(resource).__name__} is not a resource")


to_message.register(AccountView, ledger.account)
to_message.register(TransactionView, ledger.transaction)
to_message.register(BulkResult, ledger.bulk)
to_message.register(RulesVersion, routing.rules_version)
to_message.register(Experiment, routing.experiment)
to_message.register(DeadLetterView, dead_letters.dead_letter)


@to_message.register
def _(view: PaymentIntentView) -> payment_intent_pb2.PaymentIntent:
    intent = view.intent
    message = payment_intent_pb2.PaymentIntent(
        id=intent.id,
        merchant_id=intent.merchant_id,
        amount=intent.amount,
        currency=intent.currency,
        status=payment_intent_pb2.PaymentIntentStatus.Value(f"PAYMENT_INTENT_STATUS_{intent.status}"),
        capture_method=payment_types_pb2.CaptureMethod.Value(f"CAPTURE_METHOD_{intent.capture_method}"),
        payment_method=intent.payment_method,
        description=view.texts.text,
        metadata=view.texts.metadata,
        authorized_amount=intent.authorized_amount,
        captured_amount=intent.captured_amount,
        refunded_amount=intent.refunded_amount,
        refund_pending_amount=intent.refund_pending_amount,
        psp=intent.psp,
        psp_account_id=intent.psp_account_id,
        psp_payment_id=intent.psp_payment_id,
        failure=_failure(intent.failure),
        version=intent.version,
        created_at=timestamp(intent.created_at),
        authorized_at=timestamp(intent.authorized_at),
        authorization_expires_at=timestamp(intent.authorization_expires_at),
        captured_at=timestamp(intent.captured_at),
        canceled_at=timestamp(intent.canceled_at),
        updated_at=timestamp(intent.updated_at),
        payment_method_type=intent.payment_method_type,
        country=intent.country,
    )
    if intent.operation is not None:
        message.operation.type = payment_types_pb2.OperationType.Value(
            f"OPERATION_TYPE_{intent.operation.type}"
        )
        message.operation.amount = intent.operation.amount
        message.operation.since.FromDatetime(intent.operation.since)
    if intent.next_action is not None:
        message.next_action.type = intent.next_action.type
        message.next_action.redirect_url = intent.next_action.redirect_url
    if intent.cancellation_reason is not None:
        message.cancellation_reason = payment_types_pb2.CancellationReason.Value(
            f"CANCELLATION_REASON_{intent.cancellation_reason}"
        )
    return message


@to_message.register
def _(view: RefundView) -> refund_pb2.Refund:
    refund = view.refund
    return refund_pb2.Refund(
        id=refund.id,
        payment_intent_id=refund.payment_intent_id,
        merchant_id=refund.merchant_id,
        amount=refund.amount,
        currency=refund.currency,
        reason=view.texts.text,
        status=refund_pb2.RefundStatus.Value(f"REFUND_STATUS_{refund.status}"),
        psp_refund_id=refund.psp_refund_id,
        failure=_failure(refund.failure),
        metadata=view.texts.metadata,
        created_at=timestamp(refund.created_at),
        refunded_at=timestamp(refund.refunded_at),
    )


@to_message.register
def _(merchant: Merchant) -> merchant_pb2.Merchant:
    return merchant_pb2.Merchant(
        id=merchant.id,
        name=merchant.name,
        mode=merchant_pb2.Mode.Value(f"MODE_{merchant.mode}"),
        version=merchant.version,
        created_at=timestamp(merchant.created_at),
        updated_at=timestamp(merchant.updated_at),
    )


@to_message.register
def _(account: PspAccount) -> merchant_pb2.PspAccount:
    return merchant_pb2.PspAccount(
        id=account.id,
        merchant_id=account.merchant_id,
        connector=account.connector,
        mode=merchant_pb2.Mode.Value(f"MODE_{account.mode}"),
        fee_bps=account.fees.bps,
        fee_fixed=account.fees.fixed,
        credential_ref=account.credential_ref,
        priority=account.priority,
        enabled=account.enabled,
        version=account.version,
        created_at=timestamp(account.created_at),
        updated_at=timestamp(account.updated_at),
        cost_bps=account.cost_bps,
        cost_fixed=account.cost_fixed,
    )


def _failure(failure: Failure | None) -> payment_types_pb2.Failure | None:
    if failure is None:
        return None
    return payment_types_pb2.Failure(
        code=failure.code,
        message=failure.message,
        psp_code=failure.psp_code,
        retryable=failure.retryable,
        advice=payment_types_pb2.Advice.Value(f"ADVICE_{failure.advice}"),
    )
