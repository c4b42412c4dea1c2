"""The ways that a payment can go."""

from __future__ import annotations

from typing import Any

import pytest

from payflow.v1 import merchant_pb2, refund_pb2
from payflow.v1 import payment_intent_pb2 as pb
from tests.payments import ApiError, Caller
from tests.stack import Stack

CLEARING = "sys:psp_clearing:simulator:USD"


def executed(stack: Stack, intent_id: str) -> list[tuple[str, str]]:
    """What the PSP executed for an intent, and its results, in order."""
    executions = stack.simulator.executions()
    return [(one["operation"], one["result"]) for one in executions if one["reference"].startswith(intent_id)]


def assert_ended(caller: Caller, intent: Any) -> None:
    """Nothing more can be done to it."""
    for call in (caller.authorize, caller.capture, caller.cancel, caller.refund):
        with pytest.raises(ApiError, match="INVALID_STATE_TRANSITION"):
            call(intent.id)


def test_3ds_requires_action_then_resumes_the_same_psp_payment(stack: Stack, caller: Caller) -> None:
    intent = caller.create(payment_method="pm_card_3ds")
    waiting = caller.authorize(intent.id)
    assert waiting.status == pb.PAYMENT_INTENT_STATUS_REQUIRES_ACTION
    assert waiting.next_action.type and waiting.next_action.redirect_url.startswith("http")
    with pytest.raises(ApiError, match="INVALID_STATE_TRANSITION"):
        caller.capture(intent.id)
    with pytest.raises(ApiError) as refused:
        caller.authorize(intent.id, "pm_card_visa")
    assert (refused.value.reason, refused.value.fields) == ("VALIDATION_FAILED", ["payment_method"])
    authorized = caller.authorize(intent.id)
    assert authorized.status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED
    assert authorized.psp_payment_id == waiting.psp_payment_id != ""
    assert not authorized.HasField("next_action")
    assert caller.capture(intent.id).captured_amount == 10_000
    assert executed(stack, intent.id) == [
        ("authorize", "requires_action"),
        ("authorize", "approved"),
        ("capture", "approved"),
    ]


def test_an_automatic_intent_is_one_sale(stack: Stack, caller: Caller) -> None:
    intent = caller.create(10_000, capture_method=pb.CAPTURE_METHOD_AUTOMATIC)
    sold = caller.authorize(intent.id)
    assert sold.status == pb.PAYMENT_INTENT_STATUS_CAPTURED
    assert (sold.authorized_amount, sold.captured_amount) == (10_000, 10_000)
    assert sold.HasField("captured_at")
    assert [operation for operation, _ in executed(stack, intent.id)] == ["sale"]
    with pytest.raises(ApiError, match="INVALID_STATE_TRANSITION"):
        caller.capture(intent.id)
    assert caller.balance(CLEARING).posted == 10_000
    assert caller.balance("sys:merchant_payable:simulator:USD").posted == -9_700
    assert caller.refund(intent.id).status == refund_pb2.REFUND_STATUS_REFUNDED


def test_an_automatic_intent_behind_3ds(stack: Stack, caller: Caller) -> None:
    intent = caller.create(payment_method="pm_card_3ds", capture_method=pb.CAPTURE_METHOD_AUTOMATIC)
    assert caller.authorize(intent.id).status == pb.PAYMENT_INTENT_STATUS_REQUIRES_ACTION
    assert caller.authorize(intent.id).status == pb.PAYMENT_INTENT_STATUS_CAPTURED
    assert caller.balance(CLEARING).posted == 10_000


@pytest.mark.parametrize(
    ("card", "code", "retryable"),
    [
        ("pm_card_declined", "card_declined", False),
        ("pm_card_insufficient_funds", "insufficient_funds", True),
        ("pm_unheard_of", "invalid_payment_method", False),
    ],
)
def test_a_decline_ends_the_intent(caller: Caller, card: str, code: str, retryable: bool) -> None:
    intent = caller.create(payment_method=card)
    declined = caller.authorize(intent.id)
    assert declined.status == pb.PAYMENT_INTENT_STATUS_FAILED
    assert (declined.failure.code, declined.failure.retryable) == (code, retryable)
    assert declined.failure.message and declined.failure.psp_code
    assert (declined.authorized_amount, declined.captured_amount) == (0, 0)
    assert list(caller.trial_balance().balances) == []
    assert_ended(caller, intent)


def test_a_payment_method_at_authorize_wins(caller: Caller) -> None:
    intent = caller.create(payment_method="pm_card_declined")
    assert caller.authorize(intent.id, "pm_card_visa").payment_method == "pm_card_visa"


def test_test_mode_has_a_default_card(caller: Caller) -> None:
    assert caller.authorize(caller.create().id).payment_method == "pm_card_visa"


def test_cancel_of_a_created_intent_asks_no_psp(stack: Stack, caller: Caller) -> None:
    canceled = caller.cancel(caller.create().id)
    assert canceled.status == pb.PAYMENT_INTENT_STATUS_CANCELED
    assert canceled.cancellation_reason == pb.CANCELLATION_REASON_REQUESTED
    assert canceled.HasField("canceled_at")
    assert executed(stack, canceled.id) == []
    assert_ended(caller, canceled)


def test_a_canceled_intent_is_refused_for_what_it_is_whatever_psp_there_is(caller: Caller) -> None:
    canceled = caller.cancel(caller.create().id)
    request = merchant_pb2.UpdatePspAccountRequest(
        merchant_id=caller.merchant_id, id="simulator", enabled=False
    )
    caller.reply(caller.merchants.UpdatePspAccount, request)
    with pytest.raises(ApiError, match="INVALID_STATE_TRANSITION"):
        caller.authorize(canceled.id)


def test_cancel_of_an_authorized_intent_voids_it(stack: Stack, caller: Caller) -> None:
    intent = caller.create()
    caller.authorize(intent.id)
    assert caller.balance(CLEARING).pending_debits == 10_000
    canceled = caller.cancel(intent.id)
    assert canceled.status == pb.PAYMENT_INTENT_STATUS_CANCELED
    balance = caller.balance(CLEARING)
    assert (balance.posted, balance.pending_debits) == (0, 0)
    assert [operation for operation, _ in executed(stack, intent.id)] == ["authorize", "cancel"]
    assert_ended(caller, intent)


def test_cancel_of_an_intent_that_waits_for_the_payer(stack: Stack, caller: Caller) -> None:
    intent = caller.create(payment_method="pm_card_3ds")
    caller.authorize(intent.id)
    canceled = caller.cancel(intent.id)
    assert canceled.status == pb.PAYMENT_INTENT_STATUS_CANCELED
    assert not canceled.HasField("next_action")
    assert [operation for operation, _ in executed(stack, intent.id)] == ["authorize", "cancel"]
    assert_ended(caller, intent)


def test_several_partial_refunds_up_to_the_capture(caller: Caller) -> None:
    intent = caller.create(10_000)
    caller.authorize(intent.id)
    caller.capture(intent.id, 9_000)
    for amount, left in ((4_000, 5_000), (3_000, 2_000)):
        caller.refund(intent.id, amount)
        seen = caller.get(intent.id)
        assert (seen.status, seen.captured_amount - seen.refunded_amount) == (
            pb.PAYMENT_INTENT_STATUS_CAPTURED,
            left,
        )
    with pytest.raises(ApiError, match="AMOUNT_EXCEEDS_REFUNDABLE"):
        caller.refund(intent.id, 2_001)
    assert caller.refund(intent.id).amount == 2_000
    assert caller.get(intent.id).status == pb.PAYMENT_INTENT_STATUS_REFUNDED
    with pytest.raises(ApiError, match="AMOUNT_EXCEEDS_REFUNDABLE"):
        caller.refund(intent.id)


def test_fields_at_their_limits_are_kept_as_they_came(caller: Caller) -> None:
    metadata = {f"{number:0>40}": "é" * 500 for number in range(50)}
    intent = caller.create(
        999_999_999_999,
        description="é" * 1_000,
        metadata=metadata,
        payment_method="p" * 255,
        key="k" * 255,
    )
    seen = caller.get(intent.id)
    assert (seen.amount, seen.description, dict(seen.metadata)) == (999_999_999_999, "é" * 1_000, metadata)
    assert seen.payment_method == "p" * 255
    reason = 'a "quoted"\n\ttext 🙂' + "r" * 480
    refund = caller.refund(caller.captured(1).id, reason=reason, metadata=metadata)
    assert (refund.reason, dict(refund.metadata)) == (reason, metadata)


def test_the_greatest_amounts_add_up(caller: Caller) -> None:
    for _ in range(3):
        caller.captured(999_999_999_999)
    assert caller.balance(CLEARING).posted == 3 * 999_999_999_999
    assert caller.balance("sys:platform_fees:simulator:USD").posted == -3 * 30_000_000_000
