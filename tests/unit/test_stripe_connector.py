"""What the Stripe connector makes of everything that Stripe and a network can do to it."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.declines import failure
from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    NextAction,
    NotExecuted,
    OperationType,
    Outcome,
    Unknown,
)
from payflow.psp.connector import Connector, PspCall
from payflow.psp.stripe.connector import StripeConnector, connect
from payflow.psp.transport import ANSWER_BYTES_MAX
from server.connectors import ConnectorSettings, load_connectors
from tests.scripted_psp import Act, answer, close, http, unused_url
from tests.stripe_calls import (
    API_KEY,
    authorization,
    decline,
    error,
    modification,
    payment,
    refund,
    scripted,
    sent,
)

CAPTURE, CANCEL, REFUND = OperationType.CAPTURE, OperationType.CANCEL, OperationType.REFUND

CALLS = [
    authorization(),
    authorization(sale=True),
    modification(CAPTURE, "pi_s"),
    modification(CANCEL, "pi_s"),
    modification(REFUND, "pi_s"),
]
Fields = dict[str, Any]
NO_RETRY = "Stripe-Should-Retry: false\r\n"


def not_executed(code: str, psp_code: str = "") -> NotExecuted:
    return NotExecuted(failure(code, psp_code))


def declined(code: str, psp_code: str = "", psp_id: str = "pi_s") -> Declined:
    return Declined(failure(code, psp_code), psp_id)


def test_fulfils_the_protocol_and_is_found_by_its_entry_point() -> None:
    connector: Connector = connect(ConnectorSettings({"STRIPE_TIMEOUT": "3s"}))
    assert (connector.name, connector.timeout_s) == ("stripe", 3.0)
    assert isinstance(load_connectors({})["stripe"], StripeConnector)


def test_names_the_settings_that_an_account_lacks() -> None:
    connector = connect(ConnectorSettings({"SHOP1_STRIPE_API_KEY": "sk_test_1"}))
    assert list(connector.missing_settings("")) == ["STRIPE_API_KEY"]
    assert list(connector.missing_settings("SHOP2")) == ["SHOP2_STRIPE_API_KEY"]
    assert list(connector.missing_settings("SHOP1")) == []


@pytest.mark.parametrize(
    ("key", "live"),
    [
        ("sk_live_1", False),
        ("rk_live_1", False),
        ("sk_test_1", True),
        ("rk_test_1", True),
        ("pk_test_1", False),
        ("secret", False),
        ("", False),
    ],
)
def test_a_key_that_is_not_for_the_money_at_hand_is_never_used(key: str, live: bool) -> None:
    with scripted(answer(200, payment("succeeded")), STRIPE_API_KEY=key) as (script, connector):
        for call in CALLS:
            wrong = PspCall(**{name: getattr(call, name) for name in call.__slots__} | {"live": live})
            assert connector.execute(wrong) == not_executed("psp_not_configured")
            assert isinstance(connector.look_up(wrong), Unknown)
            assert isinstance(connector.cancel_by_reference(wrong), Unknown)
    assert not script.requests


def test_each_account_has_its_own_key_and_may_have_its_own_address() -> None:
    approved = answer(200, payment("requires_capture"))
    with scripted(approved) as (one, _), scripted(approved) as (two, _):
        settings = {
            "STRIPE_API_BASE": one.url,
            "SHOP1_STRIPE_API_KEY": "sk_test_one",
            "SHOP2_STRIPE_API_KEY": "rk_live_two",
            "SHOP2_STRIPE_API_BASE": two.url,
        }
        connector = connect(ConnectorSettings(settings))
        assert isinstance(connector.execute(authorization(credential_ref="SHOP1")), Approved)
        assert isinstance(connector.execute(authorization(credential_ref="SHOP2", live=True)), Approved)
        connector.close()
        assert (len(one.requests), len(two.requests)) == (1, 1)


def test_a_payment_method_that_stripe_does_not_take_here_is_never_sent() -> None:
    with scripted(answer(200, payment("succeeded"))) as (script, connector):
        outcome = connector.execute(authorization(payment_method_type="sepa_debit"))
        assert outcome == not_executed("not_supported")
    assert not script.requests


@pytest.mark.parametrize("kind", ["card", "apple_pay", "google_pay"])
def test_an_authorization_is_one_request_with_everything_in_it(kind: str) -> None:
    call = authorization(payment_method="pm_token", payment_method_type=kind)
    with scripted(answer(200, payment("requires_capture"))) as (script, connector):
        connector.execute(call)
    line, form = sent(script.requests[0])
    assert line == "POST /v1/payment_intents HTTP/1.1"
    assert form == {
        "amount": "1000",
        "currency": "usd",
        "capture_method": "manual",
        "confirm": "true",
        "payment_method": "pm_token",
        "allowed_payment_method_types[0]": "card",
        "metadata[payflow_reference]": call.psp_key,
        "metadata[payflow_merchant]": "shop",
        "expand[0]": "latest_charge",
        "error_on_requires_action": "true",
    }


def test_a_payer_who_can_come_back_may_be_sent_away() -> None:
    with scripted(answer(200, payment("requires_capture"))) as (script, connector):
        connector.execute(authorization(return_url="https://shop.example/back"))
    _, form = sent(script.requests[0])
    assert form["return_url"] == "https://shop.example/back"
    assert "error_on_requires_action" not in form


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
        ("processing", {}, Accepted("pi_s")),
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
    ("call", "path", "form"),
    [
        (
            modification(CAPTURE, "pi_s", 600),
            "/v1/payment_intents/pi_s/capture",
            {"amount_to_capture": "600", "expand[0]": "latest_charge"},
        ),
        (
            modification(CANCEL, "pi_s"),
            "/v1/payment_intents/pi_s/cancel",
            {"cancellation_reason": "requested_by_customer", "expand[0]": "latest_charge"},
        ),
        (
            modification(REFUND, "pi_s", 600, psp_key="pi_k-3"),
            "/v1/refunds",
            {
                "payment_intent": "pi_s",
                "amount": "600",
                "metadata[payflow_reference]": "pi_k-3",
                "metadata[payflow_merchant]": "shop",
            },
        ),
    ],
)
def test_a_modification_is_one_request(call: PspCall, path: str, form: dict[str, str]) -> None:
    with scripted(answer(200, payment("processing"))) as (script, connector):
        connector.execute(call)
    assert len(script.requests) == 1
    assert sent(script.requests[0]) == (f"POST {path} HTTP/1.1", form)


@pytest.mark.parametrize(
    ("call", "said", "outcome"),
    [
        (modification(CAPTURE, "pi_s"), payment("succeeded"), Approved("pi_s")),
        (modification(CAPTURE, "pi_s"), payment("processing"), Accepted("pi_s")),
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
        (authorization(), payment("requires_confirmation")),
        (authorization(), payment("requires_payment_method")),
        (authorization(), payment("brand_new_status")),
    ],
)
def test_an_answer_that_does_not_fit_its_question_is_unknown(call: PspCall, said: object) -> None:
    with scripted(answer(200, said)) as (_, connector):
        assert isinstance(connector.execute(call), Unknown)


REFUSED: list[tuple[Act, str]] = [
    (answer(429, error("rate_limit_error", code="rate_limit")), "psp_overloaded"),
    (answer(401, error()), "psp_not_configured"),
    (answer(403, error()), "psp_not_configured"),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("act", "code"), REFUSED)
def test_what_is_turned_away_at_the_door_was_not_executed(call: PspCall, act: Act, code: str) -> None:
    with scripted(act) as (script, connector):
        assert connector.execute(call) == not_executed(code)
    assert len(script.requests) == 1


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("act", "code"), REFUSED)
def test_what_is_turned_away_behind_a_broken_connection_may_have_been_executed_before(
    call: PspCall, act: Act, code: str
) -> None:
    with scripted(close, act) as (script, connector):
        assert isinstance(connector.execute(call), Unknown)
    assert len(script.requests) == 2


@pytest.mark.parametrize("call", CALLS)
def test_a_connection_that_is_never_made_proves_that_nothing_was_executed(call: PspCall) -> None:
    settings = {"STRIPE_API_BASE": unused_url(), "STRIPE_API_KEY": API_KEY}
    connector = connect(ConnectorSettings(settings))
    assert connector.execute(call) == not_executed("psp_unreachable")
    assert isinstance(connector.look_up(call), Unknown)
    assert isinstance(connector.cancel_by_reference(call), Unknown)


@pytest.mark.parametrize("call", CALLS)
def test_silence_is_unknown_and_not_repeated(call: PspCall) -> None:
    def silence(_: socket.socket) -> None:
        return

    with scripted(silence, timeout_s=0.2) as (script, connector):
        outcome = connector.execute(call)
    assert isinstance(outcome, Unknown)
    assert not outcome.repeatable
    assert len(script.requests) == 1


@pytest.mark.parametrize("call", CALLS)
def test_a_broken_connection_is_repeated_once_with_the_very_same_request(call: PspCall) -> None:
    with scripted(close, answer(200, payment("canceled"))) as (script, connector):
        connector.execute(call)
    assert script.requests[0] == script.requests[1]
    with scripted(close, close) as (script, connector):
        outcome = connector.execute(call)
    assert isinstance(outcome, Unknown)
    assert outcome.repeatable


@pytest.mark.parametrize(
    ("act", "repeatable"),
    [
        (answer(500, error("api_error")), True),
        (answer(503, error("api_error")), True),
        (answer(500, error("api_error"), NO_RETRY), False),
        (http(502, b"<html>Bad Gateway</html>"), True),
        (answer(409, error("idempotency_error", code="idempotency_key_in_use")), True),
        (answer(409, error(code="lock_timeout")), True),
        (answer(429, error(code="lock_timeout")), True),
        (answer(200, {"object": "payment_intent"}), False),
        (answer(200, payment("succeeded", amount="much")), False),
        (answer(200, []), False),
        (answer(200, None), False),
        (http(200, b"<html>login</html>"), False),
        (http(200, b"\xff\xfe"), False),
        (http(200, b""), False),
        (http(301, b""), False),
        (http(401, b"<html>a proxy wants a password</html>"), False),
        (http(429, b"<html>a proxy has had enough</html>"), True),
        (answer(402, {"error": "no"}), False),
        (answer(418, error("new_error")), False),
    ],
)
@pytest.mark.parametrize("call", [CALLS[0], CALLS[2], CALLS[4]])
def test_whatever_else_is_unknown(call: PspCall, act: Act, repeatable: bool) -> None:
    with scripted(act) as (script, connector):
        outcome = connector.execute(call)
        assert isinstance(outcome, Unknown), outcome
        assert outcome.repeatable is repeatable, outcome
    assert len(script.requests) == 1


@given(st.integers(200, 599).filter(lambda status: status not in (204, 304)), st.binary(max_size=40))
def test_no_bytes_raise_or_prove_anything(status: int, body: bytes) -> None:
    with scripted(http(status, body)) as (_, connector):
        assert isinstance(connector.execute(CALLS[0]), Unknown)


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"code": "amount_too_small", "param": "amount"}, not_executed("invalid_amount", "amount_too_small")),
        (
            {"code": "parameter_unknown", "param": "x"},
            not_executed("psp_refused_request", "parameter_unknown"),
        ),
        ({}, not_executed("psp_refused_request", "invalid_request_error")),
        ({"code": "livemode_mismatch"}, not_executed("psp_not_configured", "livemode_mismatch")),
        ({"code": "capability_not_active"}, not_executed("not_supported", "capability_not_active")),
        (
            {"code": "resource_missing", "param": "payment_method"},
            declined("invalid_payment_method", "resource_missing", ""),
        ),
    ],
)
@pytest.mark.parametrize("status", [400, 404])
def test_a_request_that_is_refused_was_not_executed(status: int, fields: Fields, outcome: Outcome) -> None:
    with scripted(answer(status, error(**fields))) as (script, connector):
        assert connector.execute(authorization()) == outcome
    assert len(script.requests) == 1


def test_a_refused_authorization_that_left_a_payment_behind_closes_it() -> None:
    code = "payment_intent_incompatible_payment_method"
    left = error(code=code, payment_intent=payment("requires_payment_method"))
    with scripted(answer(400, left), answer(200, payment("canceled"))) as (script, connector):
        outcome = connector.execute(authorization())
    assert outcome == not_executed("not_supported", code)
    assert script.requests[1].startswith(b"POST /v1/payment_intents/pi_s/cancel")


@pytest.mark.parametrize(
    ("call", "status", "fields", "outcome"),
    [
        (modification(CAPTURE, "pi_s"), "succeeded", {}, Approved("pi_s")),
        (modification(CAPTURE, "pi_s"), "canceled", {}, declined("invalid_state", "canceled")),
        (
            modification(CAPTURE, "pi_s"),
            "canceled",
            {"cancellation_reason": "expired"},
            declined("authorization_expired", "expired"),
        ),
        (
            modification(CAPTURE, "pi_s"),
            "requires_capture",
            {},
            not_executed("invalid_state", "payment_intent_unexpected_state"),
        ),
        (modification(CANCEL, "pi_s"), "canceled", {}, Approved("pi_s")),
        (modification(CANCEL, "pi_s"), "succeeded", {}, declined("invalid_state", "succeeded")),
        (
            modification(CANCEL, "pi_s"),
            "processing",
            {},
            not_executed("invalid_state", "payment_intent_unexpected_state"),
        ),
    ],
)
def test_a_refused_modification_is_what_the_payment_is(
    call: PspCall, status: str, fields: Fields, outcome: Outcome
) -> None:
    there = payment(status, **fields)
    told = answer(400, error(code="payment_intent_unexpected_state", payment_intent=there))
    untold = answer(400, error(code="payment_intent_unexpected_state"))
    with scripted(told, untold, answer(200, there)) as (_, connector):
        assert connector.execute(call) == outcome
        assert connector.execute(call) == outcome


def test_a_capture_that_found_another_amount_captured_is_for_an_operator() -> None:
    there = payment("succeeded", amount_received=900)
    with scripted(answer(400, error(code="payment_intent_unexpected_state", payment_intent=there))) as (
        _,
        connector,
    ):
        assert isinstance(connector.execute(modification(CAPTURE, "pi_s")), Unknown)


@pytest.mark.parametrize(
    ("code", "canonical"),
    [
        ("charge_already_refunded", "invalid_state"),
        ("charge_disputed", "invalid_state"),
        (None, "psp_refused_request"),
    ],
)
def test_a_refused_refund_was_not_executed(code: str | None, canonical: str) -> None:
    with scripted(answer(400, error(code=code))) as (_, connector):
        outcome = connector.execute(modification(REFUND, "pi_s"))
    assert outcome == not_executed(canonical, code or "invalid_request_error")


def test_a_capture_that_is_declined_says_why_and_cancels_nothing() -> None:
    with scripted(answer(402, decline("card_declined", "do_not_honor"))) as (script, connector):
        assert connector.execute(modification(CAPTURE, "pi_s")) == declined("card_declined", "do_not_honor")
    assert len(script.requests) == 1


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


def test_all_requests_of_a_call_share_its_time_out() -> None:
    def silence(_: socket.socket) -> None:
        return

    acts = [answer(402, decline("card_declined", "fraudulent")), silence]
    with scripted(*acts, timeout_s=0.3) as (script, connector):
        assert isinstance(connector.execute(authorization()), Unknown)
    assert len(script.requests) == 2


def test_a_page_of_a_hundred_payments_is_not_too_long() -> None:
    listed = [payment("succeeded", description="x" * 1_000) for _ in range(100)]
    page = answer(200, {"object": "list", "data": listed, "has_more": False})
    with scripted(page, page) as (_, connector):
        assert len(str(listed)) > ANSWER_BYTES_MAX
        assert connector.look_up(authorization()) is None


@pytest.mark.parametrize(
    "page",
    [
        {"data": [], "has_more": True},
        {"data": [payment("succeeded", amount=None)], "has_more": False},
        {"data": None, "has_more": False},
        payment("succeeded"),
    ],
)
def test_a_list_that_makes_no_sense_is_unknown(page: object) -> None:
    with scripted(answer(200, page), answer(200, page)) as (_, connector):
        assert isinstance(connector.look_up(authorization()), Unknown)
        assert isinstance(connector.look_up(modification(REFUND, "pi_s")), Unknown)


def test_an_authorization_that_never_ends_makes_no_sense() -> None:
    charge = CHARGE | {"payment_method_details": {"card": {"capture_before": 10**15}}}
    with scripted(answer(200, payment("requires_capture", latest_charge=charge))) as (_, connector):
        assert isinstance(connector.execute(authorization()), Unknown)


def test_nothing_of_a_call_is_logged_that_is_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    message = f"Invalid API Key provided: {API_KEY}; pi_s_secret_1 pm_card_visa"
    acts = [
        answer(401, {"error": {"type": "invalid_request_error", "message": message}}),
        answer(400, error(message=None)),
    ]
    with caplog.at_level(logging.DEBUG), scripted(*acts) as (_, connector):
        connector.execute(authorization())
        connector.execute(authorization())
    assert len(caplog.records) >= 2
    for secret in (API_KEY, "secret", "pm_card_visa"):
        assert secret not in caplog.text


@pytest.mark.parametrize("act", [act for act, _ in REFUSED])
def test_only_the_request_with_the_key_proves_that_nothing_was_executed(act: Act) -> None:
    resumed = modification(OperationType.AUTHORIZE, "pi_s")
    with scripted(act, answer(200, payment("requires_confirmation")), act) as (_, connector):
        assert isinstance(connector.execute(resumed), Unknown)
        assert isinstance(connector.execute(resumed), NotExecuted)
