"""Requests and answers that get lost, and Stripe's keys, which make repeating them safe."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from payflow.domain.declines import failure
from payflow.domain.psp_outcome import Approved, Declined, NotExecuted, OperationType, Outcome, Unknown
from payflow.psp.connector import PspCall
from payflow.psp.stripe.connector import StripeConnector
from tests.stripe_calls import authorization
from tests.stripe_double.answers import Answer, error
from tests.stripe_double.faults import Fault, Moment
from tests.stripe_double.operations import BROKEN, PATHS, effects, prepared
from tests.stripe_double.running import StripeDouble

AUTHORIZE, CAPTURE, CANCEL, REFUND = OperationType


@pytest.mark.parametrize("operation", OperationType)
def test_an_answer_that_is_lost_twice_is_unknown_until_it_is_looked_up_or_asked_for_again(
    stripe: StripeDouble, connector: StripeConnector, operation: OperationType
) -> None:
    call = prepared(stripe, connector, operation)
    stripe.fails(Fault(PATHS[operation]))
    # Its first repeat is answered with what Stripe has kept.
    assert isinstance(connector.execute(call), Approved)
    assert isinstance(connector.look_up(call), Approved)
    assert connector.execute(call) == connector.look_up(call)
    assert effects(stripe, call) == 1


@pytest.mark.parametrize("operation", OperationType)
def test_a_request_that_is_lost_was_not_executed_and_can_be_sent_again(
    stripe: StripeDouble, connector: StripeConnector, operation: OperationType
) -> None:
    call = prepared(stripe, connector, operation)
    for _ in range(2):
        stripe.fails(Fault(PATHS[operation], Moment.ARRIVING))
    outcome = connector.execute(call)
    assert isinstance(outcome, Unknown)
    assert outcome.repeatable
    assert connector.look_up(call) is None
    assert effects(stripe, call) == 0
    assert isinstance(connector.execute(call), Approved)
    assert effects(stripe, call) == 1


@pytest.mark.parametrize("operation", OperationType)
def test_a_5xx_behind_the_execution_is_kept_and_only_a_look_up_tells_the_truth(
    stripe: StripeDouble, connector: StripeConnector, operation: OperationType
) -> None:
    call = prepared(stripe, connector, operation)
    stripe.fails(Fault(PATHS[operation], answer=BROKEN))
    for _ in range(2):
        assert isinstance(connector.execute(call), Unknown)
    assert isinstance(connector.look_up(call), Approved)
    assert isinstance(connector.cancel_by_reference(call), Approved)
    assert effects(stripe, call) == 1


@pytest.mark.parametrize(
    ("turned_away", "code"),
    [
        (error(429, "invalid_request_error", code="rate_limit", is_kept=False), "psp_overloaded"),
        (error(401, "invalid_request_error", is_kept=False), "psp_not_configured"),
    ],
)
@pytest.mark.parametrize("operation", OperationType)
def test_what_is_turned_away_leaves_its_key_free(
    stripe: StripeDouble,
    connector: StripeConnector,
    operation: OperationType,
    turned_away: Answer,
    code: str,
) -> None:
    call = prepared(stripe, connector, operation)
    stripe.fails(Fault(PATHS[operation], Moment.ARRIVING, turned_away))
    assert connector.execute(call) == NotExecuted(failure(code))
    assert effects(stripe, call) == 0
    assert isinstance(connector.execute(call), Approved)
    assert effects(stripe, call) == 1


def test_a_decline_is_answered_again_and_again_and_tried_once(
    stripe: StripeDouble, connector: StripeConnector
) -> None:
    call = authorization("pm_card_visa_chargeDeclinedLostCard", asked_at=stripe.clock.now())
    first = connector.execute(call)
    assert isinstance(first, Declined)
    assert first.failure.code == "lost_card"
    assert [connector.execute(call), connector.look_up(call), connector.cancel_by_reference(call)] == [
        first
    ] * 3
    assert effects(stripe, call) == 1


def test_a_decline_that_could_not_be_closed_is_closed_by_whoever_asks_next(
    stripe: StripeDouble, connector: StripeConnector
) -> None:
    call = authorization("pm_card_visa_chargeDeclinedLostCard", asked_at=stripe.clock.now())
    stripe.fails(Fault(PATHS[CANCEL], Moment.ARRIVING, BROKEN))
    assert isinstance(connector.execute(call), Unknown)
    assert stripe.payments()[0]["status"] == "requires_payment_method"
    outcome = connector.look_up(call)
    assert isinstance(outcome, Declined)
    assert outcome.failure.code == "lost_card"
    assert stripe.payments()[0]["status"] == "canceled"


def test_a_payment_that_stripe_made_and_never_confirmed_is_unknown_until_it_is_shut_out(
    stripe: StripeDouble, connector: StripeConnector
) -> None:
    call = authorization(asked_at=stripe.clock.now())
    stripe.fails(Fault(PATHS[AUTHORIZE], answer=BROKEN, loses_confirm=True))
    assert isinstance(connector.execute(call), Unknown)
    assert isinstance(connector.look_up(call), Unknown)
    assert connector.cancel_by_reference(call) == NotExecuted(failure("psp_key_shut_out"))
    assert [one["status"] for one in stripe.payments()] == ["canceled"]


@pytest.mark.parametrize("operation", OperationType)
def test_stripe_forgets_a_key_after_a_day_and_a_repeat_is_executed_again(
    stripe: StripeDouble, connector: StripeConnector, operation: OperationType
) -> None:
    """Not what anybody should do; it shows that the double means it."""
    call = prepared(stripe, connector, operation)
    connector.execute(call)
    requests = len(stripe.seen("POST"))
    stripe.clock.forward(hours=23)
    connector.execute(call)
    assert effects(stripe, call) == 1
    stripe.clock.forward(hours=2)
    connector.execute(call)
    assert len(stripe.seen("POST")) == requests + 2
    assert effects(stripe, call) == (2 if operation in (AUTHORIZE,) else 1)


Ask = Callable[[StripeConnector, PspCall], Outcome | None]


@pytest.mark.parametrize(
    "ask",
    [
        lambda connector, call: connector.look_up(call),
        lambda connector, call: connector.cancel_by_reference(call),
    ],
)
@pytest.mark.parametrize("operation", OperationType)
def test_a_stripe_that_fails_says_nothing_of_what_became_of_a_call(
    stripe: StripeDouble, connector: StripeConnector, operation: OperationType, ask: Ask
) -> None:
    call = prepared(stripe, connector, operation)
    for failed in (BROKEN, error(429, "invalid_request_error"), error(401, "invalid_request_error")):
        stripe.fails(Fault("GET ", Moment.ARRIVING, failed))
        stripe.fails(Fault("POST /v1/payment_intents", Moment.ARRIVING, failed))
        assert isinstance(ask(connector, call), Unknown)
        stripe.nothing_fails()
