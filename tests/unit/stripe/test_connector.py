"""How the Stripe connector is set up, what it asks for, and what it never sends."""

from __future__ import annotations

import logging

import pytest

from payflow.domain.psp_outcome import (
    Approved,
    OperationType,
    Unknown,
)
from payflow.psp.connector import Connector, PspCall
from payflow.psp.stripe.connector import StripeConnector, connect
from payflow.psp.transport import ANSWER_BYTES_MAX
from server.connectors import ConnectorSettings, load_connectors
from tests.scripted_psp import answer
from tests.stripe_calls import (
    API_KEY,
    CALLS,
    authorization,
    error,
    modification,
    not_executed,
    payment,
    scripted,
    sent,
)

CAPTURE, CANCEL, REFUND = OperationType.CAPTURE, OperationType.CANCEL, OperationType.REFUND


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


def test_a_page_of_a_hundred_payments_is_not_too_long() -> None:
    listed = [payment("succeeded", description="x" * 1_000) for _ in range(100)]
    page = answer(200, {"object": "list", "data": listed, "has_more": False})
    with scripted(page, page) as (_, connector):
        assert len(str(listed)) > ANSWER_BYTES_MAX
        assert connector.look_up(authorization()) is None


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
