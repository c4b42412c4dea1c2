"""Authorizations that succeed after they were given up: undone at their PSP and in the ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from payflow.domain import declines
from payflow.domain.errors import Reason
from payflow.domain.folding.submission import Refused
from payflow.domain.intent import events as e
from payflow.domain.intent.commands import (
    StartAuthorize,
    StartCancel,
)
from payflow.domain.intent.state import (
    AttemptState,
    CaptureMethod,
)
from payflow.domain.intent.status import IntentStatus
from payflow.domain.intent.straying import UNDOINGS_MAX
from payflow.domain.merchant.decide import SIMULATOR
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import (
    Approved,
    Declined,
    NotExecuted,
    OperationType,
    Unknown,
)
from tests.core import SECOND
from tests.noticed_payment import AMOUNT, APPROVED, CHALLENGE, DECLINED, ELSEWHERE, Payment


@pytest.mark.parametrize("capture_method", CaptureMethod)
def test_a_success_after_a_failover_is_undone_at_its_psp_and_in_the_ledger(
    capture_method: CaptureMethod,
) -> None:
    payment = Payment(capture_method)
    payment.authorize(ELSEWHERE, Approved("second-1"))
    stood = payment.intent
    assert stood.psp_account_id == SECOND
    stray = replace(payment.about(0, Approved("stray-1")), psp_payment_id="stray-1")
    applied = payment.core.apply(payment.command(stray))
    assert [type(event) for event in applied.events] == [e.AttemptStrayed]
    assert applied.psp_call is not None
    undoing = applied.psp_call.attempt
    sale = capture_method is CaptureMethod.AUTOMATIC
    assert undoing.operation is (OperationType.REFUND if sale else OperationType.CANCEL)
    assert (undoing.psp_account_id, undoing.psp_payment_id) == (SIMULATOR, "stray-1")
    clearing = payment.balance("psp_clearing")
    assert (clearing.posted if sale else clearing.pending_debits) == AMOUNT

    assert payment.hear(stray) == [], "told twice, undone once"
    assert [type(event) for event in payment.finish(Unknown("timed out")).events] == [e.AttemptOutcomeUnknown]
    assert [type(event) for event in payment.finish(Approved("void-1")).events] == [e.AttemptUndone]
    clearing = payment.balance("psp_clearing")
    assert (clearing.posted, clearing.pending_debits, clearing.pending_credits) == (0, 0, 0)
    assert payment.balance("merchant_payable").posted == 0
    ended = payment.intent
    assert replace(ended, version=0, updated_at=stood.updated_at, attempts_started=0) == replace(
        stood, version=0, attempts_started=0
    )
    assert payment.attempts[0].state is AttemptState.UNDONE
    assert payment.hear(stray) == []


def test_a_success_of_what_was_proven_not_executed_is_undone_too() -> None:
    payment = Payment()
    payment.core.apply(StartAuthorize(*payment.scoped, SIMULATOR))
    payment.finish(NotExecuted(declines.failure("psp_refused_request")))
    assert payment.hear(replace(payment.about(0, APPROVED), psp_payment_id="psp-1")) == [e.AttemptStrayed]
    payment.core.apply(StartCancel(*payment.scoped))
    payment.finish(APPROVED)
    assert payment.intent.status is IntentStatus.CANCELED


def stray_sale() -> Payment:
    """A sale that succeeded after it had been declined; attempt 1 is to refund it."""
    payment = Payment(CaptureMethod.AUTOMATIC)
    payment.authorize(DECLINED)
    assert payment.hear(replace(payment.about(0, APPROVED), psp_payment_id="psp-1")) == [e.AttemptStrayed]
    return payment


def test_a_psp_that_refuses_to_undo_is_for_a_person_to_look_at() -> None:
    payment = stray_sale()
    assert [type(event) for event in payment.finish(DECLINED).events] == [e.AttemptParked]
    assert payment.hear(payment.about(1, DECLINED)) == []
    by_hand = Notice(OperationType.REFUND, Approved("refund-1"), psp_payment_id="psp-1", amount=AMOUNT)
    assert payment.hear(by_hand) == [e.AttemptUndone]
    assert payment.balance("psp_clearing").posted == 0


def test_a_stray_sale_that_its_psp_takes_back_needs_no_refund() -> None:
    payment = stray_sale()
    payment.finish(DECLINED)
    assert payment.hear(payment.about(0, DECLINED, after_success=True)) == [e.AttemptUndone]
    assert payment.balance("psp_clearing").posted == 0
    assert payment.attempts[0].state is AttemptState.UNDONE


def test_a_refund_of_a_stray_sale_that_comes_back_is_made_again() -> None:
    payment = stray_sale()
    payment.finish(Approved("refund-1"))
    came_back = payment.about(1, DECLINED, after_success=True)
    assert payment.hear(came_back) == [e.AttemptStrayed]
    assert payment.attempts[0].state is AttemptState.STRAY
    assert payment.balance("psp_clearing").posted == AMOUNT
    again = payment.attempts[-1]
    assert (again.operation, again.undoes) == (OperationType.REFUND, payment.attempts[0].id)
    assert again.psp_payment_id == "psp-1"
    assert payment.hear(came_back) == [], "told twice"
    assert [type(event) for event in payment.finish(Approved("refund-2")).events] == [e.AttemptUndone]
    assert payment.hear(came_back) == [], "an older one"
    assert payment.balance("psp_clearing").posted == 0


def test_a_refund_of_a_stray_sale_that_comes_back_every_time_is_for_a_person_to_look_at() -> None:
    payment = stray_sale()
    for number in range(1, UNDOINGS_MAX):
        payment.finish(Approved(f"refund-{number}"))
        payment.hear(payment.about(number, DECLINED, after_success=True))
    payment.finish(Approved("the last"))
    refused = payment.core.run(payment.command(payment.about(UNDOINGS_MAX, DECLINED, after_success=True)))
    assert isinstance(refused, Refused) and refused.error.reason is Reason.VALIDATION_FAILED


def test_a_stray_payment_told_of_twice_is_not_taken_for_a_later_one_at_the_same_psp() -> None:
    payment = Payment()
    payment.core.apply(StartAuthorize(*payment.scoped, SIMULATOR))
    payment.finish(NotExecuted(declines.failure("psp_refused_request")))
    stray = replace(payment.about(0, Approved("stray-1")), psp_payment_id="stray-1")
    assert payment.hear(stray) == [e.AttemptStrayed]
    payment.finish(Approved("void-1"))
    payment.authorize(CHALLENGE)
    failed = payment.hear(payment.about(2, Declined(declines.failure("authentication_failed"))))
    assert failed[-1] is e.PaymentIntentFailed
    assert payment.hear(stray) == []
