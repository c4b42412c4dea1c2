"""What a PSP's notices change, and what they do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from payflow.domain import declines
from payflow.domain.errors import Reason
from payflow.domain.folding.submission import Refused
from payflow.domain.intent import events as e
from payflow.domain.intent.commands import (
    StartAuthorize,
    StartCancel,
    StartCapture,
)
from payflow.domain.intent.state import (
    AttemptState,
    CancellationReason,
    CaptureMethod,
)
from payflow.domain.intent.status import IntentStatus, RefundStatus
from payflow.domain.intent.waiting import ACCEPTED_SCHEDULE
from payflow.domain.merchant.decide import SIMULATOR
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import (
    Accepted,
    Approved,
    Declined,
    NotExecuted,
    OperationType,
    Outcome,
    Unknown,
)
from tests.core import LEASE, SECOND, outcome_of
from tests.noticed_payment import AMOUNT, APPROVED, CHALLENGE, DECLINED, Payment


def test_a_notice_ends_an_attempt_that_nobody_could_tell_of() -> None:
    payment = Payment()
    payment.authorize(Unknown("timed out"))
    assert payment.hear(payment.about(0, APPROVED)) == [e.PaymentIntentAuthorized]
    assert payment.intent.status is IntentStatus.AUTHORIZED
    assert payment.balance("psp_clearing").pending_debits == AMOUNT


def test_a_notice_waits_for_whoever_calls_the_psp_at_the_moment() -> None:
    payment = Payment()
    payment.authorize()
    refused = payment.core.run(payment.command(payment.about(0, DECLINED)))
    assert isinstance(refused, Refused) and refused.error.reason is Reason.CONCURRENT_UPDATE
    payment.finish(APPROVED)
    assert payment.hear(payment.about(0, DECLINED)) == []


def test_who_called_and_slept_past_its_lease_finds_its_attempt_ended_by_a_notice() -> None:
    payment = Payment()
    payment.authorize()
    [attempt] = payment.attempts
    payment.core.turn_clock(LEASE)
    payment.hear(payment.about(0, APPROVED))
    late = payment.core.apply(outcome_of("shop", attempt, DECLINED))
    assert late.events == ()
    assert payment.intent.status is IntentStatus.AUTHORIZED


@pytest.mark.parametrize("repeated", [APPROVED, DECLINED, CHALLENGE, NotExecuted(DECLINED.failure)], ids=str)
def test_what_comes_again_or_too_late_changes_nothing(repeated: Outcome) -> None:
    payment = Payment()
    payment.authorize(APPROVED)
    payment.capture(APPROVED)
    before = payment.core.working.intents[payment.scoped]
    assert payment.hear(payment.about(0, repeated)) == []
    assert payment.hear(payment.about(1, APPROVED)) == []
    assert payment.hear(payment.about(1, DECLINED)) == []
    assert payment.core.working.intents[payment.scoped] == before


def test_a_payer_who_acted_needs_no_second_call() -> None:
    payment = Payment()
    payment.authorize(CHALLENGE)
    events = payment.hear(payment.about(0, APPROVED))
    assert events == [e.PaymentIntentOperationStarted, e.PaymentIntentAuthorized]
    assert payment.intent.status is IntentStatus.AUTHORIZED
    assert payment.intent.next_action is None
    assert payment.hear(payment.about(0, APPROVED)) == []


def test_a_payer_who_failed_ends_the_payment() -> None:
    payment = Payment()
    payment.authorize(CHALLENGE)
    failed = Declined(declines.failure("authentication_failed"))
    assert payment.hear(payment.about(0, failed))[-1] is e.PaymentIntentFailed
    assert payment.intent.status is IntentStatus.FAILED
    assert payment.intent.failure == failed.failure


def test_a_payer_who_acts_is_heard_although_a_call_to_go_on_was_given_up() -> None:
    payment = Payment()
    payment.authorize(CHALLENGE)
    payment.core.apply(StartAuthorize(*payment.scoped, SIMULATOR))
    payment.finish(NotExecuted(declines.failure("breaker_open")))
    events = payment.hear(payment.about(0, APPROVED))
    assert events == [e.PaymentIntentOperationStarted, e.PaymentIntentAuthorized]
    assert payment.intent.status is IntentStatus.AUTHORIZED


def test_a_payer_who_acts_while_the_payment_is_being_canceled_is_heard_later() -> None:
    payment = Payment()
    payment.authorize(CHALLENGE)
    payment.core.apply(StartCancel(*payment.scoped))
    refused = payment.core.run(payment.command(payment.about(0, APPROVED)))
    assert isinstance(refused, Refused) and refused.error.reason is Reason.CONCURRENT_UPDATE
    payment.finish(NotExecuted(declines.failure("breaker_open")))
    assert payment.hear(payment.about(0, APPROVED))[-1] is e.PaymentIntentAuthorized


def test_a_notice_under_the_first_reference_ends_the_resumed_authorization() -> None:
    payment = Payment()
    payment.authorize(CHALLENGE)
    payment.core.apply(StartAuthorize(*payment.scoped, SIMULATOR))
    payment.finish(Unknown("timed out"))
    assert payment.hear(payment.about(0, APPROVED)) == [e.PaymentIntentAuthorized]
    assert [one.state for one in payment.attempts] == [AttemptState.SUCCEEDED] * 2


def test_what_a_psp_takes_in_waits_for_its_word() -> None:
    payment = Payment()
    payment.authorize(APPROVED)
    payment.capture(Accepted("capture-1"))
    assert payment.intent.status is IntentStatus.PROCESSING
    assert payment.attempts[1].state is AttemptState.ACCEPTED
    assert payment.attempts[1].due_at == payment.core.now + ACCEPTED_SCHEDULE[0]
    assert payment.hear(payment.about(1, Approved("capture-1"))) == [e.PaymentIntentCaptured]
    payment.refund(Accepted("refund-1"), 4_000)
    [refund] = payment.core.aggregate(*payment.scoped).refunds.values()
    assert refund.status is RefundStatus.PENDING
    assert payment.hear(payment.about(2, Approved("refund-1"))) == [e.RefundSucceeded]
    assert payment.intent.refunded_amount == 4_000


def test_a_capture_that_fails_before_its_success_is_told_stays_failed() -> None:
    payment = Payment()
    payment.authorize(APPROVED)
    payment.capture(Accepted("capture-1"))
    rejected = Declined(declines.failure("card_declined"))
    assert payment.hear(payment.about(1, rejected, after_success=True)) == [e.PaymentIntentFailed]
    with pytest.raises(AssertionError, match="after it had been given up"):
        payment.hear(payment.about(1, APPROVED))
    assert payment.intent.status is IntentStatus.FAILED
    assert payment.balance("psp_clearing").pending_debits == 0


def test_a_capture_that_fails_later_is_reversed_with_its_fee() -> None:
    payment = Payment()
    payment.authorize(APPROVED)
    payment.capture(APPROVED)
    rejected = payment.about(1, Declined(declines.failure("card_declined")), after_success=True)
    assert payment.hear(rejected) == [e.PaymentIntentCaptureReversed]
    assert payment.intent.status is IntentStatus.FAILED
    roles = ("psp_clearing", "merchant_payable", "platform_fees")
    assert [payment.balance(role).posted for role in roles] == [0, 0, 0]
    assert payment.hear(rejected) == []


def test_a_capture_that_fails_during_a_refund_is_reversed_behind_it() -> None:
    payment = Payment()
    payment.authorize(APPROVED)
    payment.capture(APPROVED)
    rejected = payment.about(1, DECLINED, after_success=True)
    payment.refund(Unknown("timed out"))
    refused = payment.core.run(payment.command(rejected))
    assert isinstance(refused, Refused) and refused.error.reason is Reason.CONCURRENT_UPDATE
    payment.finish(Declined(declines.failure("invalid_state")))
    assert payment.hear(rejected) == [e.PaymentIntentCaptureReversed]
    assert payment.intent.captured_amount == 0


def test_a_refund_that_fails_later_is_the_merchant_s_again() -> None:
    payment = Payment()
    payment.authorize(APPROVED)
    payment.capture(APPROVED)
    payment.refund(Approved("refund-1"))
    assert payment.intent.status is IntentStatus.REFUNDED
    returned = payment.about(2, Declined(declines.failure("invalid_account")), after_success=True)
    assert payment.hear(returned) == [e.RefundReversed]
    assert (payment.intent.status, payment.intent.refunded_amount) == (IntentStatus.CAPTURED, 0)
    assert payment.hear(returned) == []


@pytest.mark.parametrize("first", [APPROVED, CHALLENGE], ids=["authorized", "waiting for the payer"])
def test_a_payment_that_its_psp_cancels_by_itself_is_canceled(first: Outcome) -> None:
    payment = Payment()
    payment.authorize(first)
    canceled = Notice(OperationType.CANCEL, Approved("psp-1"), psp_payment_id="psp-1")
    assert payment.hear(canceled) == [e.PaymentIntentOperationStarted, e.PaymentIntentCanceled]
    assert payment.intent.cancellation_reason is CancellationReason.PSP
    assert payment.hear(canceled) == []


def test_what_is_being_shut_out_is_not_believed_before_it_is_told_how_that_went() -> None:
    payment = Payment()
    payment.authorize(Accepted("technical-cancel-1", shuts_out=True))
    assert payment.intent.psp_payment_id == ""
    refused = payment.core.run(payment.command(payment.about(0, APPROVED)))
    assert isinstance(refused, Refused) and refused.error.reason is Reason.CONCURRENT_UPDATE
    gone = NotExecuted(declines.failure("psp_key_shut_out"))
    assert payment.hear(payment.about(0, gone)) == [e.PaymentIntentOperationAborted]
    assert payment.intent.status is IntentStatus.CREATED
    assert payment.hear(payment.about(0, APPROVED)) == []


def test_what_could_not_be_shut_out_is_for_a_person_to_look_at_and_is_believed_again() -> None:
    payment = Payment()
    payment.authorize(Accepted("technical-cancel-1", shuts_out=True))
    assert payment.hear(payment.about(0, Unknown("the technical cancel failed"))) == [e.AttemptParked]
    assert payment.hear(payment.about(0, APPROVED)) == [e.PaymentIntentAuthorized]


@pytest.mark.parametrize("told_as", [OperationType.CAPTURE, OperationType.AUTHORIZE])
def test_a_sale_whose_capture_fails_later_is_reversed(told_as: OperationType) -> None:
    payment = Payment(CaptureMethod.AUTOMATIC)
    payment.authorize(APPROVED)
    failed = replace(payment.about(0, DECLINED, after_success=True), operation=told_as)
    assert payment.hear(replace(failed, outcome=APPROVED, after_success=False)) == []
    assert payment.hear(failed) == [e.PaymentIntentCaptureReversed]
    assert payment.balance("psp_clearing").posted == 0
    assert payment.hear(failed) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount": AMOUNT + 1}, Reason.VALIDATION_FAILED),
        ({"currency": "EUR"}, Reason.VALIDATION_FAILED),
        ({"psp_key": "pi_of_somebody_else-1"}, Reason.NOT_FOUND),
        ({"operation": OperationType.REFUND}, Reason.NOT_FOUND),
        ({"psp_key": "", "psp_payment_id": "psp-9"}, Reason.NOT_FOUND),
    ],
    ids=str,
)
def test_a_notice_that_does_not_fit_is_refused(change: dict[str, object], reason: Reason) -> None:
    payment = Payment()
    payment.authorize(Unknown("timed out"))
    before = payment.core.working.intents[payment.scoped]
    notice = replace(payment.about(0, APPROVED), **change)  # type: ignore[arg-type]  # any one field
    refused = payment.core.run(payment.command(notice))
    assert isinstance(refused, Refused) and refused.error.reason is reason
    assert payment.core.working.intents[payment.scoped] == before


def test_another_psp_account_s_signature_is_no_word_about_this_one_s_payments() -> None:
    payment = Payment()
    payment.authorize(Unknown("timed out"))
    refused = payment.core.run(payment.command(payment.about(0, APPROVED), SECOND))
    assert isinstance(refused, Refused) and refused.error.reason is Reason.VALIDATION_FAILED
    canceled = Notice(OperationType.CANCEL, Approved("psp-1"), psp_payment_id="psp-1")
    payment.finish(APPROVED)
    refused = payment.core.run(payment.command(canceled, SECOND))
    assert isinstance(refused, Refused) and refused.error.reason is Reason.VALIDATION_FAILED


def test_another_payment_under_the_same_reference_is_for_a_person_to_look_at() -> None:
    payment = Payment()
    payment.authorize(APPROVED)
    refused = payment.core.run(payment.command(payment.about(0, Approved("psp-2"))))
    assert isinstance(refused, Refused) and refused.error.reason is Reason.VALIDATION_FAILED


def test_a_cancellation_during_another_operation_is_heard_later() -> None:
    payment = Payment()
    payment.authorize(APPROVED)
    payment.core.apply(StartCapture(*payment.scoped))
    canceled = Notice(OperationType.CANCEL, Approved("psp-1"), psp_payment_id="psp-1")
    refused = payment.core.run(payment.command(canceled))
    assert isinstance(refused, Refused) and refused.error.reason is Reason.CONCURRENT_UPDATE


def test_an_accepted_operation_is_parked_when_nobody_ever_tells() -> None:
    payment = Payment()
    payment.authorize(APPROVED)
    payment.capture(Accepted("capture-1"))
    for wait in ACCEPTED_SCHEDULE:
        payment.core.turn_clock(wait + timedelta(seconds=1))
        payment.finish(Unknown("not told yet"))
    assert payment.attempts[1].state is AttemptState.PARKED
    assert payment.hear(payment.about(1, APPROVED)) == [e.PaymentIntentCaptured]


def test_a_payment_that_its_psp_names_only_now_goes_on_under_that_name() -> None:
    payment = Payment()
    payment.core.apply(StartAuthorize(*payment.scoped, SIMULATOR))
    stand_in = replace(CHALLENGE, psp_id=payment.attempts[0].psp_key)
    payment.finish(stand_in)
    assert payment.hear(payment.about(0, Approved("psp-named")))[-1] is e.PaymentIntentAuthorized
    assert payment.intent.psp_payment_id == "psp-named"


@pytest.mark.parametrize("end", ["failed", "canceled"])
def test_a_payer_who_succeeds_behind_the_end_of_a_payment_gets_the_money_back(end: str) -> None:
    payment = Payment()
    payment.authorize(CHALLENGE)
    if end == "failed":
        payment.hear(payment.about(0, DECLINED))
    else:
        payment.core.apply(StartCancel(*payment.scoped))
        # The PSP was not told.
        payment.finish(Approved(""))
    late = payment.about(0, APPROVED)
    assert payment.hear(late) == [e.AttemptStrayed]
    assert payment.attempts[-1].psp_payment_id == "psp-1"
    assert payment.hear(late) == []
    assert [type(event) for event in payment.finish(Approved("void-1")).events] == [e.AttemptUndone]
    assert payment.balance("psp_clearing").pending_debits == 0


def test_a_success_that_is_told_behind_the_cancellation_that_ended_it_is_no_news() -> None:
    payment = Payment()
    payment.authorize(CHALLENGE)
    payment.core.apply(StartCancel(*payment.scoped))
    payment.finish(Approved("void-1"))
    assert payment.hear(payment.about(0, APPROVED)) == []


def test_an_authorization_that_was_canceled_by_its_reference_after_it_was_told_of_is_gone() -> None:
    payment = Payment()
    payment.authorize(APPROVED)
    undone = payment.about(0, NotExecuted(declines.failure("psp_key_shut_out")))
    payment.core.apply(StartCapture(*payment.scoped))
    refused = payment.core.run(payment.command(undone))
    assert isinstance(refused, Refused) and refused.error.reason is Reason.CONCURRENT_UPDATE
    payment.finish(NotExecuted(declines.failure("breaker_open")))
    assert payment.hear(undone) == [e.PaymentIntentOperationStarted, e.PaymentIntentCanceled]
    assert payment.intent.cancellation_reason is CancellationReason.PSP
    assert payment.hear(undone) == []


def test_a_capture_that_succeeds_late_waits_for_the_operation_in_flight() -> None:
    payment = Payment()
    payment.authorize(APPROVED)
    payment.capture(NotExecuted(declines.failure("breaker_open")))
    payment.core.apply(StartCancel(*payment.scoped))
    refused = payment.core.run(payment.command(payment.about(1, APPROVED)))
    assert isinstance(refused, Refused) and refused.error.reason is Reason.CONCURRENT_UPDATE
    payment.finish(NotExecuted(declines.failure("breaker_open")))
    assert payment.hear(payment.about(1, APPROVED))[-1] is e.PaymentIntentCaptured
