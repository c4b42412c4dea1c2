"""What the state of a payment or a refund at Stripe means for the call that was made."""

from __future__ import annotations

import pytest

from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    NextAction,
    OperationType,
    Outcome,
    Unknown,
)
from payflow.psp.connector import PspCall
from tests.scripted_psp import Act, answer, close
from tests.stripe_calls import (
    Fields,
    authorization,
    decline,
    declined,
    error,
    modification,
    not_executed,
    payment,
    refund,
    scripted,
    sent,
)

CAPTURE, CANCEL, REFUND = OperationType.CAPTURE, OperationType.CANCEL, OperationType.REFUND

CHARGE = {
    "id": "ch_s",
    "status": "succeeded",
    "payment_method_details": {"card": {"capture_before": 1893553445}},
}

REDIRECT = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://hooks.stripe.example/3ds"}}

FAILED_CHARGE = {
    "id": "ch_s",
    "status": "failed",
    "failure_code": "card_declined",
    "outcome": {"reason": "lost_card"},
}


@pytest.mark.parametrize(
    ("status", "fields", "outcome"),
    [
        ("requires_capture", {}, Approved("pi_s")),
        ("requires_capture", {"latest_charge": "ch_s"}, Approved("pi_s")),
        ("succeeded", {"capture_method": "automatic"}, Approved("pi_s")),
        ("succeeded", {"latest_charge": CHARGE}, Approved("pi_s")),
        (
            "requires_action",
            {"next_action": REDIRECT},
            ActionRequired("pi_s", NextAction("redirect_to_url", "https://hooks.stripe.example/3ds")),
        ),
        (
            "requires_action",
            {"next_action": {"type": "use_stripe_sdk"}},
            ActionRequired("pi_s", NextAction("use_stripe_sdk")),
        ),
        ("requires_action", {}, ActionRequired("pi_s", NextAction("unknown"))),
        ("canceled", {"cancellation_reason": "expired"}, declined("authorization_expired", "expired")),
        ("canceled", {"cancellation_reason": "duplicate"}, declined("invalid_state", "duplicate")),
        ("canceled", {"latest_charge": FAILED_CHARGE}, declined("lost_card", "lost_card")),
        (
            "canceled",
            {"last_payment_error": {"type": "card_error", "code": "expired_card"}},
            declined("expired_card", "expired_card"),
        ),
        ("canceled", {"metadata": {"payflow_shut_out": "AUTHORIZE"}}, not_executed("psp_key_shut_out")),
    ],
)
def test_an_authorization_is_what_the_payment_is(status: str, fields: Fields, outcome: Outcome) -> None:
    with scripted(*[answer(200, payment(status, **fields))] * 3) as (_, connector):
        resumed = modification(OperationType.AUTHORIZE, "pi_s")
        assert connector.execute(authorization()) == outcome
        assert connector.execute(resumed) == outcome
        assert connector.look_up(resumed) == outcome


def test_an_authorization_says_when_it_runs_out() -> None:
    with scripted(answer(200, payment("requires_capture", latest_charge=CHARGE))) as (_, connector):
        outcome = connector.execute(authorization())
    assert isinstance(outcome, Approved)
    assert outcome.authorization_expires_at is not None
    assert outcome.authorization_expires_at.isoformat() == "2030-01-02T03:04:05+00:00"


def test_a_resumed_authorization_confirms_only_what_waits_for_that() -> None:
    resumed = modification(OperationType.AUTHORIZE, "pi_s", return_url="https://shop.example")
    acts = [answer(200, payment("requires_confirmation")), answer(200, payment("requires_capture"))]
    with scripted(*acts) as (script, connector):
        assert connector.execute(resumed) == Approved("pi_s")
    line, form = sent(script.requests[1])
    assert line == "POST /v1/payment_intents/pi_s/confirm HTTP/1.1"
    assert form == {"return_url": "https://shop.example", "expand[0]": "latest_charge"}


def test_a_confirmation_that_the_payer_was_faster_than_cancels_nothing() -> None:
    there = error(code="payment_intent_unexpected_state", payment_intent=payment("requires_capture"))
    acts = [answer(200, payment("requires_confirmation")), answer(400, there)]
    with scripted(*acts) as (script, connector):
        assert connector.execute(modification(OperationType.AUTHORIZE, "pi_s")) == Approved("pi_s")
    assert len(script.requests) == 2


@pytest.mark.parametrize(
    ("call", "said", "outcome"),
    [
        (modification(CAPTURE, "pi_s"), payment("succeeded"), Approved("pi_s")),
        (modification(CANCEL, "pi_s"), payment("canceled"), Approved("pi_s")),
        (modification(REFUND, "pi_s"), refund("succeeded"), Approved("re_s")),
        (modification(REFUND, "pi_s"), refund("pending"), Accepted("re_s")),
        (modification(REFUND, "pi_s"), refund("requires_action"), Accepted("re_s")),
        (
            modification(REFUND, "pi_s"),
            refund("failed", failure_reason="expired_or_canceled_card"),
            declined("expired_card", "expired_or_canceled_card", "re_s"),
        ),
        (modification(REFUND, "pi_s"), refund("canceled"), declined("unknown_decline", "", "re_s")),
    ],
)
def test_a_modification_is_what_its_object_is(call: PspCall, said: object, outcome: Outcome) -> None:
    with scripted(answer(200, said)) as (_, connector):
        assert connector.execute(call) == outcome


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (modification(CAPTURE, "pi_s"), payment("requires_capture")),
        (modification(CAPTURE, "pi_s"), payment("succeeded", amount_received=900)),
        (modification(CANCEL, "pi_s"), payment("requires_capture")),
        (modification(CAPTURE, "pi_s"), payment("processing")),
        (authorization(), payment("processing")),
        (authorization(), payment("requires_confirmation")),
        (authorization(), payment("requires_payment_method")),
        (authorization(), payment("brand_new_status")),
    ],
)
def test_an_answer_that_does_not_fit_its_question_is_unknown(call: PspCall, said: object) -> None:
    with scripted(answer(200, said)) as (_, connector):
        assert isinstance(connector.execute(call), Unknown)


def test_a_decline_is_told_once_nothing_can_succeed_on_the_payment() -> None:
    acts = [answer(402, decline("card_declined", "do_not_honor")), answer(200, payment("canceled"))]
    with scripted(*acts) as (script, connector):
        assert connector.execute(authorization()) == declined("card_declined", "do_not_honor")
    line, form = sent(script.requests[1])
    assert line == "POST /v1/payment_intents/pi_s/cancel HTTP/1.1"
    assert form["cancellation_reason"] == "abandoned"


@pytest.mark.parametrize(
    ("acts", "outcome"),
    [
        # Somebody paid on it meanwhile.
        ([answer(400, error()), answer(200, payment("requires_capture"))], Approved("pi_s")),
        # Somebody else was faster in closing it.
        ([answer(400, error()), answer(200, payment("canceled"))], declined("fraud", "fraudulent")),
    ],
)
def test_a_decline_that_comes_too_late_to_close_the_payment_is_what_the_payment_is(
    acts: list[Act], outcome: Outcome
) -> None:
    with scripted(answer(402, decline("card_declined", "fraudulent")), *acts) as (_, connector):
        assert connector.execute(authorization()) == outcome


@pytest.mark.parametrize(
    "acts",
    [
        [answer(500, error("api_error"))],
        [answer(429, error())],
        [close, close],
        [answer(400, error()), answer(200, payment("requires_payment_method"))],
    ],
)
def test_a_decline_whose_payment_is_not_seen_closed_is_unknown(acts: list[Act]) -> None:
    with scripted(answer(402, decline("card_declined", "fraudulent")), *acts) as (_, connector):
        assert isinstance(connector.execute(authorization()), Unknown)


def test_an_authorization_that_never_ends_makes_no_sense() -> None:
    charge = CHARGE | {"payment_method_details": {"card": {"capture_before": 10**15}}}
    with scripted(answer(200, payment("requires_capture", latest_charge=charge))) as (_, connector):
        assert isinstance(connector.execute(authorization()), Unknown)
