"""An authorization that runs out, and PSP calls that fail for as long as they like."""

from __future__ import annotations

from datetime import timedelta

import pytest

from payflow.domain.errors import Reason
from payflow.domain.folding.submission import Refused
from payflow.domain.intent.attempting import ATTEMPTS_MAX
from payflow.domain.intent.commands import CreateIntent, StartAuthorize, StartCancel, StartCapture
from payflow.domain.intent.state import CancellationReason, PaymentIntent
from payflow.domain.intent.status import IntentStatus
from payflow.domain.merchant.decide import SIMULATOR
from payflow.domain.psp_outcome import Approved, Declined, Failure, NotExecuted, Outcome
from tests.core import Core, outcome_of

LIFE = timedelta(days=7)
UNREACHABLE = NotExecuted(Failure("psp_unreachable", "down", retryable=True))


@pytest.fixture
def core() -> Core:
    core = Core()
    core.add_merchant("shop")
    return core


def created(core: Core) -> str:
    creation = core.creation("shop", 100)
    core.fold(creation)
    assert isinstance(creation.command, CreateIntent)
    return creation.command.intent_id


def operate(core: Core, command: StartAuthorize | StartCapture | StartCancel, outcome: Outcome) -> None:
    due = core.apply(command).psp_call
    assert due is not None
    core.apply(outcome_of("shop", due.attempt, outcome))


def authorized(core: Core) -> str:
    intent_id = created(core)
    operate(core, StartAuthorize("shop", intent_id, SIMULATOR), Approved("psp-1", core.now + LIFE))
    return intent_id


def intent_of(core: Core, intent_id: str) -> PaymentIntent:
    return core.aggregate("shop", intent_id).intent


def test_an_authorization_that_ran_out_is_not_captured(core: Core) -> None:
    intent_id = authorized(core)
    core.turn_clock(LIFE)
    result = core.run(StartCapture("shop", intent_id))
    assert isinstance(result, Refused) and result.error.reason is Reason.INVALID_STATE_TRANSITION


def test_expiry_before_its_time_changes_nothing(core: Core) -> None:
    intent_id = authorized(core)
    core.turn_clock(LIFE - timedelta(microseconds=1))
    assert core.apply(StartCancel("shop", intent_id, CancellationReason.EXPIRED)).events == ()


@pytest.mark.parametrize(
    ("retryable", "status"), [(True, IntentStatus.AUTHORIZED), (False, IntentStatus.CANCELED)]
)
def test_only_a_final_refusal_says_that_it_is_gone(core: Core, retryable: bool, status: IntentStatus) -> None:
    intent_id = authorized(core)
    core.turn_clock(LIFE)
    declined = Declined(Failure("no", "no", retryable=retryable))
    operate(core, StartCancel("shop", intent_id, CancellationReason.EXPIRED), declined)
    assert intent_of(core, intent_id).status is status


def test_money_that_is_reserved_finds_its_end_after_any_number_of_tries(core: Core) -> None:
    intent_id = authorized(core)
    for _ in range(ATTEMPTS_MAX):
        operate(core, StartCapture("shop", intent_id), UNREACHABLE)
    operate(core, StartCapture("shop", intent_id), Approved("psp-1"))
    assert intent_of(core, intent_id).status is IntentStatus.CAPTURED


def test_an_authorization_is_not_tried_for_ever(core: Core) -> None:
    intent_id = created(core)
    for _ in range(ATTEMPTS_MAX):
        operate(core, StartAuthorize("shop", intent_id, SIMULATOR), UNREACHABLE)
    result = core.run(StartAuthorize("shop", intent_id, SIMULATOR))
    assert isinstance(result, Refused) and result.error.reason is Reason.LIMIT_REACHED
