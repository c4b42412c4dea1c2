"""What the connector makes of everything that Adyen and a network can answer, over real HTTP."""

from __future__ import annotations

import logging
import socket
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    NextAction,
    NotExecuted,
    OperationType,
    Unknown,
)
from payflow.psp.adyen.checkout import Problem, Success
from payflow.psp.adyen.outcomes import outcome_of
from payflow.psp.connector import PspCall
from payflow.psp.transport import ANSWER_BYTES_MAX
from tests.adyen_answers import (
    AUTHORISED,
    CALL,
    CAPTURE,
    FIELDS,
    PAYMENT,
    RESUMED,
    TRANSIENT,
    answered,
    error,
    failure_code,
    scripted,
)
from tests.adyen_doubles import connected, modification, settings_for
from tests.scripted_psp import Act, Script, answer, close, http, unused_url
from tests.waiting import wait_until


def test_an_authorized_payment() -> None:
    assert answered(CALL, answer(200, AUTHORISED)) == Approved(PAYMENT)


def test_the_request_is_adyens_with_the_key_in_it() -> None:
    with scripted(answer(200, AUTHORISED)) as (script, connector):
        connector.execute(CALL)
    [request] = script.requests
    assert request.startswith(b"POST /v71/payments HTTP/1.1\n")
    assert f'"reference":"{CALL.psp_key}"'.encode() in request


def test_a_base_url_may_have_a_path() -> None:
    with (
        Script([answer(200, AUTHORISED)]) as script,
        connected(settings_for(f"{script.url}/checkout")) as connector,
    ):
        connector.execute(CALL)
    assert script.requests[0].startswith(b"POST /checkout/v71/payments HTTP/1.1\n")


@pytest.mark.parametrize("result_code", ["RedirectShopper", "ChallengeShopper", "IdentifyShopper"])
@pytest.mark.parametrize("psp_reference", [PAYMENT, ""])
def test_a_payer_who_has_to_act_gets_a_page(result_code: str, psp_reference: str) -> None:
    page = "https://checkoutshopper-test.adyen.com/threeDS/redirect?x=1"
    body: dict[str, Any] = {"resultCode": result_code, "action": {"type": "redirect", "url": page}}
    if psp_reference:
        body["pspReference"] = psp_reference

    assert answered(CALL, answer(200, body)) == ActionRequired(
        psp_reference or CALL.psp_key, NextAction("redirect_to_url", page)
    )


@pytest.mark.parametrize("action", [{}, {"action": {"type": "threeDS2", "token": "eyJ"}}])
def test_a_payer_who_has_nowhere_to_go_can_authorize_nothing(action: dict[str, object]) -> None:
    outcome = answered(CALL, answer(200, {"resultCode": "IdentifyShopper", **action}))
    assert isinstance(outcome, Declined)
    assert failure_code(outcome) == "authentication_required"


@pytest.mark.parametrize(
    ("result_code", "refusal_code", "code"),
    [
        ("Refused", "12", "insufficient_funds"),
        ("Refused", "999", "unknown_decline"),
        ("Refused", None, "unknown_decline"),
        ("Error", "4", "acquirer_error"),
        ("Cancelled", "22", "fraud"),
    ],
)
def test_a_refused_payment(result_code: str, refusal_code: str | None, code: str) -> None:
    body = {"resultCode": result_code, "pspReference": PAYMENT, "refusalReason": "Not enough balance"}
    if refusal_code is not None:
        body["refusalReasonCode"] = refusal_code
    outcome = answered(CALL, answer(200, body))

    assert isinstance(outcome, Declined)
    assert (outcome.failure.code, outcome.failure.psp_code) == (code, refusal_code or "")
    assert outcome.psp_id == PAYMENT


@pytest.mark.parametrize("result_code", ["Received", "Pending"])
def test_a_payment_that_takes_its_time(result_code: str) -> None:
    body = {"resultCode": result_code, "pspReference": PAYMENT}
    assert answered(CALL, answer(200, body)) == Accepted(PAYMENT)


@pytest.mark.parametrize("operation", [OperationType.CAPTURE, OperationType.CANCEL, OperationType.REFUND])
def test_a_modification_is_taken_in(operation: OperationType) -> None:
    received = {"status": "received", "pspReference": "QFQTPCQ8HXSKGK82", "paymentPspReference": PAYMENT}
    assert answered(modification(operation, PAYMENT), answer(201, received)) == Accepted("QFQTPCQ8HXSKGK82")


NONSENSE: list[tuple[int, bytes]] = [
    (200, b""),
    (200, b"<html>login</html>"),
    (200, b"\xff\xfe"),
    (200, b"[]"),
    (200, b"null"),
    (200, b"{}"),
    (200, b'{"a":' + b"[" * 30_000),
    (200, b'{"resultCode":1}'),
    (200, b'{"resultCode":"Authorised"}'),
    (200, b'{"resultCode":"Received"}'),
    (200, b'{"resultCode":"SomethingNew","pspReference":"A"}'),
    (200, b'{"resultCode":"PartiallyAuthorised","pspReference":"A"}'),
    (200, b'{"resultCode":"Authorised","pspReference":"A","merchantReference":"another"}'),
    (201, b'{"status":"sent","pspReference":"A"}'),
    (201, b'{"status":"received","pspReference":""}'),
    (203, b'{"resultCode":"Authorised","pspReference":"A"}'),
    (302, b'{"resultCode":"Authorised","pspReference":"A"}'),
    (400, b"Bad Request"),
    (401, b"<html>proxy</html>"),
    (403, b"{}"),
    (404, b'{"status":404,"errorCode":"000"}'),
    (422, b"[1]"),
]


@pytest.mark.parametrize(("status", "body"), NONSENSE)
def test_whatever_else_is_unknown_and_not_repeated(status: int, body: bytes) -> None:
    for call in (CALL, CAPTURE):
        outcome = answered(call, http(status, body))
        assert isinstance(outcome, Unknown)
        assert not outcome.repeatable


@pytest.mark.parametrize(
    "amount",
    [{"value": 999, "currency": "EUR"}, {"value": 1000, "currency": "USD"}, {"value": 0, "currency": "EUR"}],
)
def test_a_payment_of_another_amount_is_no_approval(amount: dict[str, object]) -> None:
    assert isinstance(answered(CALL, answer(200, {**AUTHORISED, "amount": amount})), Unknown)


def test_the_amount_is_compared_in_adyens_decimals() -> None:
    call = replace(CALL, currency="ISK")
    asked = {**AUTHORISED, "amount": {"value": 100_000, "currency": "ISK"}}
    assert answered(call, answer(200, asked)) == Approved(PAYMENT)


@pytest.mark.parametrize(
    ("status", "code", "error_type", "failure"),
    [
        (422, "14_030", "validation", "psp_refused_request"),
        (422, "130", "validation", "psp_refused_request"),
        (400, "702", "validation", "psp_refused_request"),
        (401, "000", "security", "psp_not_configured"),
        (403, "901", "security", "psp_not_configured"),
        (403, "010", "security", "psp_not_configured"),
        (422, "951", "configuration", "psp_not_configured"),
        (500, "901", "security", "psp_not_configured"),
        (500, "702", "validation", "psp_refused_request"),
    ],
)
def test_a_request_that_adyen_refuses_was_not_executed(
    status: int, code: str, error_type: str, failure: str
) -> None:
    outcome = answered(CALL, answer(status, error(status, code, error_type)))

    assert isinstance(outcome, NotExecuted)
    assert (outcome.failure.code, outcome.failure.psp_code) == (failure, code)


@pytest.mark.parametrize(
    ("refused", "code", "failure"),
    [
        (error(422, "167"), "167", "invalid_state"),
        (error(422, "803"), "803", "invalid_payment_method"),
        (error(422, "138"), "138", "not_supported"),
        # As Adyen's specification of its API has it.
        (error(500, "905", "configuration"), "905", "not_supported"),
        (error(500, "905_1", "configuration"), "905_1", "not_supported"),
    ],
)
def test_an_error_that_says_what_is_wrong_with_the_payment_declines_it(
    refused: dict[str, Any], code: str, failure: str
) -> None:
    outcome = answered(CALL, answer(refused["status"], refused))

    assert isinstance(outcome, Declined)
    assert (outcome.failure.code, outcome.failure.psp_code) == (failure, code)


@pytest.mark.parametrize(
    ("refused", "failure"),
    [
        (error(422, "137"), "invalid_amount"),
        (error(422, "138"), "not_supported"),
        (error(422, "167"), "invalid_state"),
        (error(422, "906"), "invalid_state"),
        (error(500, "905", "configuration"), "not_supported"),
    ],
)
def test_a_capture_that_is_refused_leaves_its_authorization_alive(
    refused: dict[str, Any], failure: str
) -> None:
    outcome = answered(CAPTURE, answer(refused["status"], refused))

    assert isinstance(outcome, NotExecuted)
    assert (outcome.failure.code, outcome.failure.psp_code) == (failure, refused["errorCode"])


@pytest.mark.parametrize("body", [error(429, "", "internal"), "slow down"])
def test_what_was_turned_away_at_the_door_was_not_executed(body: object) -> None:
    outcome = answered(CALL, answer(429, body))
    assert isinstance(outcome, NotExecuted)
    assert failure_code(outcome) == "psp_overloaded"


@pytest.mark.parametrize(
    "act",
    [
        answer(422, error(422, "704")),
        answer(409, error(409, "")),
        answer(422, error(422, "702"), TRANSIENT),
        answer(401, error(401, "000", "security"), TRANSIENT.upper()),
        answer(422, error(422, "903", "internal")),
        answer(500, error(500, "903", "internal")),
        answer(500, error(500, "905", "")),
        answer(500, error(500, "", "configuration")),
        answer(500, error(500, "905", "configuration"), TRANSIENT),
        answer(502, error(502, "905", "configuration")),
        answer(500, AUTHORISED),
        http(502, b"<html>Bad Gateway</html>"),
        http(503, b""),
    ],
)
def test_what_may_pass_is_unknown_and_may_be_repeated_with_the_same_key(act: Act) -> None:
    for call in (CALL, CAPTURE):
        outcome = answered(call, act)
        assert isinstance(outcome, Unknown)
        assert outcome.repeatable


def test_a_connection_that_was_never_made_proves_that_nothing_was_executed() -> None:
    with connected(settings_for(unused_url())) as connector:
        assert failure_code(connector.execute(CALL)) == "psp_unreachable"
        assert isinstance(connector.cancel_by_reference(CALL), Unknown)


def test_a_broken_connection_is_repeated_once_with_the_same_request() -> None:
    with scripted(close, answer(200, AUTHORISED)) as (script, connector):
        assert connector.execute(CALL) == Approved(PAYMENT)
    assert script.requests[0] == script.requests[1]


def test_broken_twice_is_unknown_and_may_be_repeated() -> None:
    outcome = answered(CALL, close, close)
    assert isinstance(outcome, Unknown)
    assert outcome.repeatable


@pytest.mark.parametrize("status", [401, 422, 429])
def test_that_a_repeat_was_refused_proves_nothing_of_the_request_that_broke(status: int) -> None:
    assert isinstance(answered(CALL, close, answer(status, error(status, "702"))), Unknown)


def test_a_refused_connection_after_a_broken_one_is_no_proof() -> None:
    assert isinstance(answered(CALL, close), Unknown)


def test_silence_is_unknown_after_the_time_out_and_not_repeated() -> None:
    def silence(_: socket.socket) -> None:
        return

    with scripted(silence, timeout="1s") as (script, connector):
        outcome = connector.execute(CALL)
        wait_until(lambda: isinstance(outcome, NotExecuted) or len(script.requests) == 1)
    if script.requests:
        assert isinstance(outcome, Unknown)
        assert not outcome.repeatable
    else:  # the machine stood still until it was too late to send anything
        assert failure_code(outcome) == "psp_unreachable"
    assert len(script.requests) <= 1


def test_a_long_answer_is_bounded() -> None:
    padded = b" " * ANSWER_BYTES_MAX + b'{"resultCode":"Authorised","pspReference":"A"}'
    assert isinstance(answered(CALL, http(200, padded)), Unknown)


def test_a_technical_cancel_is_taken_in_or_proves_nothing() -> None:
    received = {"status": "received", "pspReference": "QFQTPCQ8HXSKGK82", "paymentReference": CALL.psp_key}
    with scripted(answer(201, received)) as (script, connector):
        assert connector.cancel_by_reference(CALL) == Accepted("QFQTPCQ8HXSKGK82")
    assert script.requests[0].startswith(b"POST /v71/cancels HTTP/1.1\n")
    for act in (
        answer(422, error(422, "167")),
        answer(401, error(401, "000")),
        http(200, b"{}"),
        http(500, b""),
    ):
        with scripted(act) as (_, connector):
            assert isinstance(connector.cancel_by_reference(CALL), Unknown)


@pytest.mark.parametrize("call", [RESUMED, CAPTURE])
def test_only_a_first_authorization_can_be_shut_out(call: PspCall) -> None:
    with connected(settings_for(unused_url())) as connector:
        outcome = connector.cancel_by_reference(call)
    assert isinstance(outcome, Unknown)
    assert "first authorizations only" in outcome.detail


@given(
    st.sampled_from([400, 401, 403, 422, 500]) | st.integers(400, 599),
    st.sampled_from(["", "000", "167", "702", "704", "905_1"]),
    st.sampled_from(["", "validation", "security", "configuration", "internal"]),
    st.booleans(),
)
def test_only_a_refusal_that_is_adyens_own_and_final_proves_anything(
    status: int, code: str, error_type: str, transient: bool
) -> None:
    outcome = outcome_of(CALL, Problem(status, code, error_type, transient))
    passing = transient or error_type == "internal" or (status == 500 and not error_type)
    final = status in (400, 401, 403, 422, 500) and code not in ("", "704") and not passing
    assert isinstance(outcome, Unknown) is not (final or status == 429)


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=9) | st.integers() | st.none()))
def test_no_answer_raises_and_none_that_is_made_up_approves(message: dict[str, object]) -> None:
    assert isinstance(outcome_of(CALL, Success(message)), Unknown)
    assert isinstance(outcome_of(CAPTURE, Success(message)), Unknown)


def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = {"ADYEN_API_KEY": "AQE-api-secret", "ADYEN_HMAC_KEY": "ABCDEF0123456789"}
    refused = answer(422, error(422, "702"))
    with (
        Script([refused, refused, close, close]) as script,
        connected(settings_for(script.url, **secrets)) as connector,
    ):
        for call in (CALL, CAPTURE, CALL):
            connector.execute(call)
    assert "errorCode 702" in caplog.text
    for secret in (*secrets.values(), "encryptedCardNumber", "4111"):
        assert secret not in caplog.text
