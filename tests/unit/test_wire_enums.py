"""Domain enums and their protobuf twins have the same members."""

from __future__ import annotations

from enum import StrEnum

import pytest
from google.protobuf.descriptor import EnumDescriptor

from payflow.domain.dead_letter import DeadLetterState
from payflow.domain.intent.state import CancellationReason, CaptureMethod
from payflow.domain.intent.status import IntentStatus, RefundStatus
from payflow.domain.ledger.account import AccountType
from payflow.domain.ledger.transaction import Layer, TransactionStatus
from payflow.domain.merchant.state import Mode
from payflow.domain.psp_outcome import Advice, OperationType
from payflow.domain.webhook import WebhookState
from payflow.v1 import (
    dead_letter_pb2,
    ledger_pb2,
    merchant_pb2,
    payment_intent_pb2,
    payment_types_pb2,
    refund_pb2,
    webhook_pb2,
)
from payflow.wire.enums import member_of, number_of

TWINS: list[tuple[type[StrEnum], EnumDescriptor]] = [
    (IntentStatus, payment_intent_pb2.PaymentIntentStatus.DESCRIPTOR),
    (RefundStatus, refund_pb2.RefundStatus.DESCRIPTOR),
    (OperationType, payment_types_pb2.OperationType.DESCRIPTOR),
    (Advice, payment_types_pb2.Advice.DESCRIPTOR),
    (CaptureMethod, payment_types_pb2.CaptureMethod.DESCRIPTOR),
    (CancellationReason, payment_types_pb2.CancellationReason.DESCRIPTOR),
    (AccountType, ledger_pb2.AccountType.DESCRIPTOR),
    (TransactionStatus, ledger_pb2.TransactionStatus.DESCRIPTOR),
    (Layer, ledger_pb2.Layer.DESCRIPTOR),
    (Mode, merchant_pb2.Mode.DESCRIPTOR),
    (DeadLetterState, dead_letter_pb2.DeadLetterState.DESCRIPTOR),
    (WebhookState, webhook_pb2.WebhookState.DESCRIPTOR),
]


# Of requests alone: the domain has no word for it.
WITHOUT_TWIN = {
    ledger_pb2.EntryOrder.DESCRIPTOR.full_name,
    payment_intent_pb2.StuckState.DESCRIPTOR.full_name,
}


def test_no_enum_of_the_contract_is_left_out() -> None:
    files = (
        dead_letter_pb2,
        ledger_pb2,
        merchant_pb2,
        payment_intent_pb2,
        payment_types_pb2,
        refund_pb2,
        webhook_pb2,
    )
    declared = {enum.full_name for file in files for enum in file.DESCRIPTOR.enum_types_by_name.values()}
    assert declared == {descriptor.full_name for _, descriptor in TWINS} | WITHOUT_TWIN


@pytest.mark.parametrize(("members", "descriptor"), TWINS, ids=lambda one: getattr(one, "__name__", ""))
def test_members_map_both_ways(members: type[StrEnum], descriptor: EnumDescriptor) -> None:
    numbers = {number_of(descriptor, member.value): member for member in members}
    assert numbers.keys() == set(descriptor.values_by_number) - {0}
    assert {number: member_of(descriptor, number, members) for number in numbers} == numbers


@pytest.mark.parametrize(("members", "descriptor"), TWINS, ids=lambda one: getattr(one, "__name__", ""))
def test_zero_and_unknown_numbers_are_no_member(members: type[StrEnum], descriptor: EnumDescriptor) -> None:
    assert descriptor.values_by_number[0].name.endswith("_UNSPECIFIED")
    assert member_of(descriptor, 0, members) is None
    assert member_of(descriptor, 9_999, members) is None
