"""Resources on the wire: no field of a message can be forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from payflow.domain.fees import FeeSchedule
from payflow.domain.intent.state import (
    CancellationReason,
    CaptureMethod,
    Operation,
    PaymentIntent,
    Refund,
)
from payflow.domain.intent.status import IntentStatus, RefundStatus
from payflow.domain.merchant.state import Merchant, Mode, PspAccount
from payflow.domain.psp_outcome import Failure, NextAction, OperationType
from payflow.domain.resources import PaymentIntentView, RefundView, Resource
from payflow.domain.routing.experiment import Arm, Experiment, ExperimentStatus, Guardrail, StopReason
from payflow.domain.routing.rules import Condition, Rule, RuleAccount, RuleSet, Strategy
from payflow.domain.routing.state import RulesVersion
from payflow.domain.texts import Texts
from payflow.v1 import payment_intent_pb2, payment_types_pb2, refund_pb2
from payflow.wire.resources import to_bytes, to_message
from tests.core import START

TEXTS = Texts("tea", {"order_id": "12"})
FAILURE = Failure("card_declined", "no", "05", True)
INTENT = PaymentIntent(
    id="pi_1",
    merchant_id="shop",
    amount=101,
    currency="USD",
    status=IntentStatus.PROCESSING,
    capture_method=CaptureMethod.AUTOMATIC,
    payment_method="pm_card_visa",
    created_at=START + timedelta(microseconds=1),
    updated_at=START + timedelta(microseconds=2),
    version=102,
    operation=Operation(
        OperationType.CAPTURE,
        103,
        START + timedelta(microseconds=3),
        "att_1",
        IntentStatus.AUTHORIZED,
        CancellationReason.PSP,
    ),
    authorized_amount=104,
    captured_amount=105,
    fee_amount=106,
    refunded_amount=107,
    refund_pending_amount=108,
    psp="simulator",
    psp_account_id="account-1",
    psp_payment_id="psp-1",
    next_action=NextAction("redirect", "https://bank.example/"),
    failure=FAILURE,
    cancellation_reason=CancellationReason.EXPIRED,
    authorized_at=START + timedelta(microseconds=4),
    authorization_expires_at=START + timedelta(microseconds=5),
    captured_at=START + timedelta(microseconds=6),
    canceled_at=START + timedelta(microseconds=7),
    payment_method_type="apple_pay",
    country="DE",
)
REFUND = Refund(
    id="re_1",
    payment_intent_id="pi_1",
    merchant_id="shop",
    amount=101,
    currency="USD",
    status=RefundStatus.FAILED,
    created_at=START,
    hold_transaction_id="txn_1",
    psp_refund_id="psp-2",
    failure=FAILURE,
    refunded_at=START + timedelta(microseconds=1),
)
PSP_ACCOUNT = PspAccount(
    "account-1",
    "shop",
    "simulator",
    Mode.LIVE,
    FeeSchedule(290, 30),
    "env:KEY",
    7,
    True,
    2,
    START,
    START + timedelta(microseconds=1),
    145,
    11,
)
RULES = RuleSet((Rule("mine", Strategy.SCORE, (Condition(countries=("DE",)),), (RuleAccount("a"),), True),))
RULES_VERSION = RulesVersion("shop", 3, RULES, START)
EXPERIMENT = Experiment(
    "exp_1",
    "shop",
    "By score?",
    (Arm("control", 50), Arm("score", 50, RULES)),
    Guardrail(),
    4,
    START,
    ExperimentStatus.STOPPED,
    StopReason.GUARDRAIL,
    "score",
    START + timedelta(microseconds=1),
)
MERCHANT = Merchant("shop", "Shop", Mode.LIVE, 9, 3, START, START + timedelta(microseconds=1))
MAXIMAL: list[Resource] = [
    PaymentIntentView(INTENT, TEXTS),
    RefundView(REFUND, TEXTS),
    PSP_ACCOUNT,
    MERCHANT,
    RULES_VERSION,
    EXPERIMENT,
]
# What GetExperiment adds.
ADDED = {"results"}


def unset_fields(message: Message, path: str = "") -> list[str]:
    """Every field that has its default value, nested ones included."""
    unset = []
    listed = {field.name: value for field, value in message.ListFields()}
    for field in message.DESCRIPTOR.fields:
        name = f"{path}{field.name}"
        if field.name not in listed and field.name not in ADDED:
            unset.append(name)
        elif isinstance(listed.get(field.name), Message) and not isinstance(listed[field.name], Timestamp):
            unset += unset_fields(listed[field.name], f"{name}.")
    return unset


@pytest.mark.parametrize("resource", MAXIMAL, ids=lambda resource: type(resource).__name__)
def test_no_field_is_forgotten(resource: Resource) -> None:
    message = to_message(resource)
    assert unset_fields(message) == []
    again = type(message)()
    again.ParseFromString(to_bytes(resource))
    assert again == message


def test_payment_intent_says_what_the_state_says() -> None:
    message = to_message(PaymentIntentView(INTENT, TEXTS))
    assert isinstance(message, payment_intent_pb2.PaymentIntent)
    structured = {FieldDescriptor.CPPTYPE_ENUM, FieldDescriptor.CPPTYPE_MESSAGE}
    plain = {one.name for one in message.DESCRIPTOR.fields if one.cpp_type not in structured} - {
        "description"
    }
    assert len(plain) > 12
    assert {name: getattr(message, name) for name in plain} == {name: getattr(INTENT, name) for name in plain}
    assert (message.description, dict(message.metadata)) == ("tea", {"order_id": "12"})
    assert message.status == payment_intent_pb2.PAYMENT_INTENT_STATUS_PROCESSING
    assert message.capture_method == payment_types_pb2.CAPTURE_METHOD_AUTOMATIC
    assert message.cancellation_reason == payment_types_pb2.CANCELLATION_REASON_EXPIRED
    assert (message.operation.type, message.operation.amount) == (
        payment_types_pb2.OPERATION_TYPE_CAPTURE,
        103,
    )
    assert message.operation.since.ToNanoseconds() % 10**9 == 3_000
    offsets_us = {
        "created_at": 1,
        "updated_at": 2,
        "authorized_at": 4,
        "authorization_expires_at": 5,
        "captured_at": 6,
        "canceled_at": 7,
    }
    for name, offset_us in offsets_us.items():
        assert getattr(message, name).ToNanoseconds() % 10**9 == offset_us * 1_000, name
    assert message.next_action.redirect_url == "https://bank.example/"
    assert (message.failure.code, message.failure.message) == ("card_declined", "no")
    assert (message.failure.psp_code, message.failure.retryable) == ("05", True)


def test_absent_is_absent() -> None:
    bare = replace(
        INTENT,
        operation=None,
        next_action=None,
        failure=None,
        cancellation_reason=None,
        authorized_at=None,
        authorization_expires_at=None,
        captured_at=None,
        canceled_at=None,
    )
    message = to_message(PaymentIntentView(bare, Texts()))
    for name in ("operation", "next_action", "failure", "authorized_at", "captured_at", "canceled_at"):
        assert not message.HasField(name), name
    refund = to_message(RefundView(replace(REFUND, failure=None, refunded_at=None), Texts()))
    assert isinstance(refund, refund_pb2.Refund)
    assert not refund.HasField("failure") and not refund.HasField("refunded_at")
