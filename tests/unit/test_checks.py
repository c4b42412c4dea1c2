"""When a PSP is asked again what became of a call: as scheduled, whatever is asked in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from payflow.domain.folding.submission import DueCall
from payflow.domain.intent import events as e
from payflow.domain.intent.commands import ResumeAttempt, StartAuthorize
from payflow.domain.intent.state import AttemptState
from payflow.domain.intent.waiting import CHECK_SCHEDULE, UNASKED_WAIT
from payflow.domain.merchant.decide import SIMULATOR
from payflow.domain.psp_outcome import Accepted, Outcome, Unknown
from tests.core import outcome_of
from tests.noticed_payment import Payment

SILENCE = Unknown("timed out")
EARLY_EVERY = timedelta(seconds=3)


class Checked(Payment):
    """A payment that nobody tells of."""

    def __init__(self, first: Outcome = SILENCE) -> None:
        super().__init__()
        self.core.apply(StartAuthorize(*self.scoped, SIMULATOR))
        self.finish(first)

    def take(self, early: bool = False) -> DueCall | None:
        attempt = self.attempts[0]
        command = ResumeAttempt(*self.scoped, attempt.id, attempt.fence, early)
        return self.core.apply(command).psp_call

    def check(self, early: bool = False, outcome: Outcome = SILENCE) -> None:
        """One that is made and comes to nothing."""
        taken = self.take(early)
        assert taken is not None
        command = outcome_of("shop", taken.attempt, outcome)
        self.core.apply(replace(command, was_due_at=taken.was_due_at))

    @property
    def due_at(self) -> datetime:
        return self.attempts[0].due_at


@pytest.mark.parametrize("first", [SILENCE, Accepted("psp-1")], ids=["unknown", "accepted"])
def test_early_checks_put_off_none_that_is_scheduled_and_use_none_up(first: Outcome) -> None:
    payment = Checked(first)
    scheduled, checks = payment.due_at, payment.attempts[0].checks
    payment.core.turn_clock(EARLY_EVERY)
    payment.check(early=True)
    assert (payment.due_at, payment.attempts[0].checks) == (scheduled, checks)
    assert payment.attempts[0].state is not AttemptState.RUNNING


def test_checks_come_to_their_end_however_often_an_early_one_is_made() -> None:
    payment = Checked()
    ends_at = payment.core.now + sum(CHECK_SCHEDULE, timedelta(minutes=1))
    while payment.attempts[0].state is AttemptState.UNKNOWN and payment.core.now < ends_at:
        payment.check(early=payment.due_at > payment.core.now)
        payment.core.now = max(payment.core.now, min(payment.due_at, payment.core.now + timedelta(hours=1)))
    assert payment.attempts[0].state is AttemptState.PARKED


def test_what_an_operator_has_asked_about_in_vain_is_parked_again_by_the_next_check() -> None:
    payment = Checked()
    while payment.attempts[0].state is AttemptState.UNKNOWN:
        payment.core.now = payment.due_at
        payment.check()
    assert payment.attempts[0].state is AttemptState.PARKED
    payment.check(early=True)
    payment.core.now = max(payment.core.now, payment.due_at)
    payment.check()
    assert payment.attempts[0].state is AttemptState.PARKED


def test_a_psp_that_is_not_asked_for_failing_too_often_is_left_alone_for_a_while() -> None:
    payment = Checked()
    payment.core.now = payment.due_at
    before = payment.attempts[0].checks
    payment.check(outcome=Unknown("breaker_open", asked=False))
    assert payment.due_at == payment.core.now + UNASKED_WAIT
    assert payment.attempts[0].checks == before


def test_a_check_that_is_due_was_not_taken_early() -> None:
    payment = Checked()
    scheduled = payment.due_at
    early = payment.take(early=True)
    assert early is not None and early.was_due_at == scheduled
    payment.core.now = payment.due_at
    due = payment.take()
    assert due is not None and due.was_due_at is None
    assert [type(event) for event in payment.finish(SILENCE).events] == [e.AttemptOutcomeUnknown]
