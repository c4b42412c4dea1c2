"""Shutting a reference out, at every moment at which the call itself may be on its way or at work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from payflow.domain.declines import failure
from payflow.domain.psp_outcome import Accepted, Approved, Declined, NotExecuted, OperationType, Unknown
from payflow.psp.stripe import lookup, session
from payflow.psp.stripe.connector import StripeConnector
from tests.stripe_calls import authorization, modification
from tests.stripe_double.answers import error
from tests.stripe_double.faults import Fault, Hold, Moment
from tests.stripe_double.operations import BROKEN, PATHS, effects, prepared
from tests.stripe_double.running import StripeDouble

AUTHORIZE, CAPTURE, CANCEL, REFUND = OperationType
SHUT_OUT = NotExecuted(failure("psp_key_shut_out"))


@pytest.mark.parametrize("operation", OperationType)
def test_a_call_that_never_arrived_is_shut_out_for_good(
    stripe: StripeDouble, connector: StripeConnector, operation: OperationType
) -> None:
    call = prepared(stripe, connector, operation)
    assert connector.cancel_by_reference(call) == SHUT_OUT
    assert connector.cancel_by_reference(call) == SHUT_OUT
    # It arrives all the same, late.
    assert connector.execute(call) == SHUT_OUT
    stripe.clock.forward(hours=23)
    assert connector.execute(call) == SHUT_OUT
    shuts_out = [one for one in stripe.payments() if "payflow_shut_out" in one["metadata"]]
    assert [(one["status"], one["amount_received"]) for one in shuts_out] == [("canceled", 0)]
    assert effects(stripe, call) == 0


def test_a_look_up_knows_an_authorization_that_was_shut_out(
    stripe: StripeDouble, connector: StripeConnector
) -> None:
    call = authorization(asked_at=stripe.clock.now())
    connector.cancel_by_reference(call)
    assert connector.look_up(call) == SHUT_OUT


@pytest.mark.parametrize("operation", OperationType)
def test_a_call_that_was_executed_is_answered_and_nothing_is_changed(
    stripe: StripeDouble, connector: StripeConnector, operation: OperationType
) -> None:
    call = prepared(stripe, connector, operation)
    outcome = connector.execute(call)
    assert isinstance(outcome, Approved)
    before = stripe.payments()
    for hours in (0, 12, 24, 24 * 30):
        stripe.clock.forward(hours=hours)
        assert connector.cancel_by_reference(call) == outcome
    ours = [one for one in stripe.payments() if "payflow_shut_out" not in one["metadata"]]
    assert ours == before
    assert effects(stripe, call) == 1


@pytest.mark.parametrize("operation", OperationType)
def test_a_call_that_never_arrived_is_shut_out_after_its_window_too(
    stripe: StripeDouble, connector: StripeConnector, operation: OperationType
) -> None:
    call = prepared(stripe, connector, operation)
    stripe.clock.forward(days=2)
    assert connector.cancel_by_reference(call) == SHUT_OUT


@pytest.mark.parametrize("compares_first", [True, False])
@pytest.mark.parametrize("operation", OperationType)
@pytest.mark.parametrize("moment", Moment)
def test_a_call_that_is_at_work_is_never_said_to_be_shut_out(
    stripe: StripeDouble,
    connector: StripeConnector,
    moment: Moment,
    operation: OperationType,
    compares_first: bool,
) -> None:
    """Whether the race is won on the way, behind the key, or behind the execution."""
    stripe.compares_keys_first(compares_first)
    call = prepared(stripe, connector, operation)
    hold = Hold()
    stripe.fails(Fault(PATHS[operation], moment, hold=hold))
    with ThreadPoolExecutor() as executor:
        asked = executor.submit(connector.execute, call)
        stripe.held(hold)
        meanwhile = connector.cancel_by_reference(call)
        stripe.let_go(hold)
        outcome = asked.result()
    if moment is Moment.ARRIVING:
        # It had not come to its key, which was free to be taken.
        assert (meanwhile, outcome) == (SHUT_OUT, SHUT_OUT)
    else:
        assert isinstance(outcome, Approved)
        assert isinstance(meanwhile, Unknown) or meanwhile == outcome
        assert connector.cancel_by_reference(call) == outcome
    stripe.compares_keys_first(True)


def test_a_call_that_is_at_work_and_shows_nothing_yet_is_unknown(
    stripe: StripeDouble, connector: StripeConnector
) -> None:
    """Behind its key, but before there is a payment: the one moment at which a look-up misleads."""
    call = authorization(asked_at=stripe.clock.now())
    hold = Hold()
    stripe.fails(Fault(PATHS[AUTHORIZE], Moment.KEYED, hold=hold))
    with ThreadPoolExecutor() as executor:
        asked = executor.submit(connector.execute, call)
        stripe.held(hold)
        assert connector.look_up(call) is None
        assert isinstance(connector.cancel_by_reference(call), Unknown)
        stripe.let_go(hold)
        assert isinstance(asked.result(), Approved)
    assert len(stripe.payments()) == 1


@pytest.mark.parametrize("operation", OperationType)
def test_a_call_that_was_refused_and_left_nothing_is_answered_with_its_refusal(
    stripe: StripeDouble, connector: StripeConnector, operation: OperationType
) -> None:
    call = prepared(stripe, connector, operation)
    refused = error(400, "invalid_request_error", code="capability_not_active")
    stripe.fails(Fault(PATHS[operation], Moment.KEYED, refused))
    expected = connector.execute(call)
    assert expected == NotExecuted(failure("not_supported", "capability_not_active"))
    assert connector.cancel_by_reference(call) == expected
    # Once Stripe may have forgotten the key, asking again could execute it.
    stripe.clock.forward(hours=23, seconds=3_590)
    assert isinstance(connector.cancel_by_reference(call), Unknown)


def test_a_taken_key_is_never_asked_about_once_stripe_may_have_forgotten_it(
    stripe: StripeDouble, connector: StripeConnector
) -> None:
    call = authorization(asked_at=stripe.clock.now())
    stripe.fails(Fault(PATHS[AUTHORIZE], Moment.KEYED, error(400, "invalid_request_error")))
    connector.execute(call)
    stripe.clock.forward(hours=23, seconds=3_590)
    connector.cancel_by_reference(call)
    requests = [one for one in stripe.seen("POST") if "confirm" in one.params]
    assert len(requests) == 1


@pytest.mark.parametrize("operation", OperationType)
def test_a_claim_that_stripe_failed_at_has_the_key_all_the_same(
    stripe: StripeDouble, connector: StripeConnector, operation: OperationType
) -> None:
    call = prepared(stripe, connector, operation)
    stripe.fails(Fault(PATHS[AUTHORIZE], answer=BROKEN))
    assert isinstance(connector.cancel_by_reference(call), Unknown)
    assert connector.cancel_by_reference(call) == SHUT_OUT
    assert connector.execute(call) == SHUT_OUT


def test_a_claim_that_cannot_be_closed_shuts_out_all_the_same(
    stripe: StripeDouble, connector: StripeConnector
) -> None:
    call = authorization(asked_at=stripe.clock.now())
    stripe.fails(Fault(PATHS[CANCEL], Moment.ARRIVING, BROKEN))
    assert connector.cancel_by_reference(call) == SHUT_OUT
    assert stripe.payments()[0]["status"] == "requires_payment_method"
    assert connector.look_up(call) == SHUT_OUT
    assert connector.execute(call) == SHUT_OUT


def test_whoever_shuts_out_at_the_same_time_agrees(stripe: StripeDouble, connector: StripeConnector) -> None:
    call = authorization(asked_at=stripe.clock.now())
    with ThreadPoolExecutor(8) as executor:
        tasks = [connector.cancel_by_reference, connector.execute] * 8
        outcomes = [task.result() for task in [executor.submit(one, call) for one in tasks]]
    settled = connector.cancel_by_reference(call)
    assert isinstance(settled, Approved) or settled == SHUT_OUT
    assert {type(one) for one in outcomes} <= {type(settled), Unknown}
    charged = [one for one in stripe.payments() if one["status"] == "requires_capture"]
    assert len(charged) == (1 if isinstance(settled, Approved) else 0)


@pytest.mark.parametrize("asked_at_known", [True, False])
def test_what_cannot_be_looked_through_is_shut_out_only_by_a_key_that_is_fresh(
    stripe: StripeDouble, connector: StripeConnector, monkeypatch: pytest.MonkeyPatch, asked_at_known: bool
) -> None:
    monkeypatch.setattr(session, "PAGE_MAX", 2)
    monkeypatch.setattr(lookup, "PAGES_MAX", 2)
    call = authorization(asked_at=stripe.clock.now() if asked_at_known else None)
    for _ in range(6):
        connector.execute(authorization())
    outcome = connector.cancel_by_reference(call)
    assert outcome == SHUT_OUT if asked_at_known else isinstance(outcome, Unknown)
    stripe.clock.forward(days=2)
    assert isinstance(connector.cancel_by_reference(call), Unknown)


def test_a_resumed_authorization_is_what_the_payer_made_of_it(
    stripe: StripeDouble, connector: StripeConnector
) -> None:
    call = authorization("pm_card_threeDSecure2Required", return_url="https://s", asked_at=stripe.clock.now())
    waiting = connector.execute(call)
    payment_id = stripe.payments()[0]["id"]
    resumed = modification(AUTHORIZE, payment_id, asked_at=stripe.clock.now())
    assert connector.cancel_by_reference(resumed) == waiting
    stripe.authenticate(payment_id)
    outcome = connector.cancel_by_reference(resumed)
    assert isinstance(outcome, Approved)
    assert connector.execute(resumed) == outcome


def test_a_declined_call_is_answered_with_its_decline(
    stripe: StripeDouble, connector: StripeConnector
) -> None:
    call = authorization("pm_card_visa_chargeDeclinedStolenCard", asked_at=stripe.clock.now())
    declined = connector.execute(call)
    assert isinstance(declined, Declined)
    stripe.clock.forward(days=3)
    assert connector.cancel_by_reference(call) == declined


def test_a_refund_that_waits_is_not_said_to_be_canceled(
    stripe: StripeDouble, connector: StripeConnector
) -> None:
    call = prepared(stripe, connector, REFUND)
    stripe.refunds_begin("pending")
    assert isinstance(connector.execute(call), Accepted)
    assert isinstance(connector.cancel_by_reference(call), Unknown)
    assert isinstance(connector.look_up(call), Accepted)
