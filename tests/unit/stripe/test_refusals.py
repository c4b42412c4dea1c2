"""What the Stripe connector makes of everything that Stripe and a network can do to it."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.psp_outcome import (
    Approved,
    NotExecuted,
    OperationType,
    Outcome,
    Unknown,
)
from payflow.psp.connector import PspCall
from payflow.psp.stripe.connector import connect
from server.connectors import ConnectorSettings
from tests.scripted_psp import Act, answer, close, http, unused_url
from tests.stripe_calls import (
    API_KEY,
    CALLS,
    Fields,
    authorization,
    decline,
    declined,
    error,
    modification,
    not_executed,
    payment,
    scripted,
)
from tests.waiting import wait_until

CAPTURE, CANCEL, REFUND = OperationType.CAPTURE, OperationType.CANCEL, OperationType.REFUND

SILENCE_S = 1.0
NO_RETRY = "Stripe-Should-Retry: false\r\n"

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

    with scripted(silence, timeout_s=SILENCE_S) as (script, connector):
        outcome = connector.execute(call)
        wait_until(lambda: isinstance(outcome, NotExecuted) or len(script.requests) == 1)
    if script.requests:
        assert isinstance(outcome, Unknown)
        assert not outcome.repeatable
    else:  # the machine stood still until it was too late to send anything
        assert outcome == not_executed("psp_unreachable")
    assert len(script.requests) <= 1


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
        (http(200, b'{"id":"\xff"}'), False),
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


NAMES = st.sampled_from(["object", "id", "status", "amount", "metadata", "data", "has_more", "error", "code"])
WORDS = st.sampled_from(["payment_intent", "refund", "list", "pi_s", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from([200, 400, 402, 404, 429, 500]),
    st.dictionaries(NAMES, VALUES, max_size=5),
    st.sampled_from(CALLS),
)
def test_no_json_raises(status: int, body: dict[str, Any], call: PspCall) -> None:
    with scripted(*[answer(status, body)] * 8) as (_, connector):
        assert connector.execute(call) is not None
        connector.look_up(call)


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


def test_all_requests_of_a_call_share_its_time_out() -> None:
    def silence(_: socket.socket) -> None:
        return

    acts = [answer(402, decline("card_declined", "fraudulent")), silence]
    with scripted(*acts, timeout_s=2 * SILENCE_S) as (script, connector):
        assert isinstance(connector.execute(authorization()), Unknown)
        wait_until(lambda: len(script.requests) == 2)
    assert len(script.requests) == 2


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


@pytest.mark.parametrize("act", [act for act, _ in REFUSED])
def test_only_the_request_with_the_key_proves_that_nothing_was_executed(act: Act) -> None:
    resumed = modification(OperationType.AUTHORIZE, "pi_s")
    with scripted(act, answer(200, payment("requires_confirmation")), act) as (_, connector):
        assert isinstance(connector.execute(resumed), Unknown)
        assert isinstance(connector.execute(resumed), NotExecuted)
