"""Whose credentials are used, and where money of which kind may go."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from payflow.domain.psp_outcome import Approved, NotExecuted, Unknown
from payflow.psp.connector import Delivery, Rejection, WebhookRejectedError
from server.connectors import load_connectors
from tests.adyen_doubles import AdyenDouble, authorization, connected, settings_for


def test_an_account_is_reached_with_its_own_credentials(double: AdyenDouble) -> None:
    own = {f"SHOP1_{name}": value for name, value in settings_for(double.url).items()}
    with connected(own) as connector:
        assert isinstance(connector.execute(authorization(credential_ref="SHOP1")), Approved)
        unnamed = connector.execute(authorization())
    assert isinstance(unnamed, NotExecuted)
    assert unnamed.failure.code == "psp_not_configured"


def test_what_is_not_set_is_named() -> None:
    with connected({"ADYEN_API_KEY": "key", "SHOP1_ADYEN_MERCHANT_ACCOUNT": "ShopECOM"}) as connector:
        assert connector.missing_settings("") == ["ADYEN_MERCHANT_ACCOUNT", "ADYEN_HMAC_KEY"]
        assert connector.missing_settings("SHOP1") == ["SHOP1_ADYEN_API_KEY", "SHOP1_ADYEN_HMAC_KEY"]
        assert connector.timeout_s == 10.0


@pytest.mark.parametrize("wrong", [{"ADYEN_API_KEY": "wrong"}, {"ADYEN_MERCHANT_ACCOUNT": "OtherECOM"}])
def test_credentials_that_adyen_does_not_know_execute_nothing(
    double: AdyenDouble, wrong: dict[str, str]
) -> None:
    call = authorization()
    with double.connector(**wrong) as stranger:
        outcome = stranger.execute(call)
    assert isinstance(outcome, NotExecuted)
    assert outcome.failure.code == "psp_not_configured"
    assert double.effects(call) == []


@pytest.mark.parametrize(
    ("base_url", "live"),
    [
        ("", True),
        ("https://checkout-test.adyen.com", True),
        ("https://1797a841fbb37ca7-Shop-checkout-live.adyenpayments.com/checkout", False),
        ("https://checkout-live.adyen.com", False),
    ],
)
def test_live_money_and_test_money_never_meet(double: AdyenDouble, base_url: str, live: bool) -> None:
    """Nothing is sent: the live addresses are not even looked up."""
    call = authorization("adyen.M5N7TQ4TG5PFWR50.shopper-1", live=live)
    with double.connector(**({"ADYEN_API_BASE": base_url} if base_url else {})) as connector:
        outcome = connector.execute(call)
        shut_out = connector.cancel_by_reference(call)
    assert isinstance(outcome, NotExecuted)
    assert outcome.failure.code == "psp_not_configured"
    assert isinstance(shut_out, Unknown)


def test_it_is_there_without_any_setting_and_does_nothing() -> None:
    connector = load_connectors({})["adyen"]
    assert len(connector.missing_settings("")) == 3
    assert isinstance(connector.execute(authorization()), NotExecuted)
    with pytest.raises(WebhookRejectedError) as rejected:
        connector.receive(Delivery({}, b"{}"), "", datetime.now(UTC))
    assert rejected.value.rejection is Rejection.NOT_CONFIGURED


@pytest.mark.parametrize("key", ["AQE-secret\n", "AQE-secret\r\nx: y", "AQE-s\u00e9cret"])
def test_a_key_that_no_header_can_carry_is_as_good_as_none_and_shown_to_nobody(
    double: AdyenDouble, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with double.connector(ADYEN_API_KEY=key) as connector:
        assert connector.missing_settings("") == ["ADYEN_API_KEY"]
        assert isinstance(connector.execute(authorization()), NotExecuted)
    assert "AQE" not in caplog.text
