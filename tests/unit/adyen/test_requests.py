"""What the connector asks Adyen, compared with what Adyen's published schema allows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.fields import AMOUNT_MAX, payment_method
from payflow.domain.psp_outcome import Advice, Approved, Declined, NotExecuted, OperationType
from payflow.psp.adyen.checkout import Endpoint, Request
from payflow.psp.adyen.currencies import CURRENCIES
from payflow.psp.adyen.refusals import REFUSALS
from payflow.psp.adyen.requests import request_for, technical_cancel_for
from payflow.psp.connector import PspCall
from tests.adyen_double.schemas import violation

KEY = "pi_01m83r7m7zef2b586ssnrcjsb1b3zkwz-1"
PAYMENT = "JLCMPCQ8HXSKGK82"
STORED = "adyen.M5N7TQ4TG5PFWR50.shopper-17.of_shop"
CALL = PspCall(OperationType.AUTHORIZE, KEY, "m", "acc", "", 1999, "EUR", "pm_card_visa")

TOKENS = ["pm_card_visa", "pm_card_mastercard", "pm_card_amex", "pm_card_3ds", "pm_card_pending", STORED]


def asked(call: PspCall) -> Request:
    request = request_for(call, "ShopECOM")
    assert isinstance(request, Request)
    return request


def of(operation: OperationType) -> PspCall:
    return replace(CALL, operation=operation, psp_payment_id=PAYMENT, payment_method="")


@given(
    st.sampled_from(list(OperationType)),
    st.sampled_from(TOKENS),
    st.sampled_from(sorted(CURRENCIES)),
    st.integers(1, AMOUNT_MAX),
    st.booleans(),
    st.sampled_from(["", "NL"]),
    st.sampled_from(["", "https://shop.example/back"]),
)
def test_adyens_schema_has_nothing_against_any_request(
    operation: OperationType,
    token: str,
    currency: str,
    amount: int,
    sale: bool,
    country: str,
    return_url: str,
) -> None:
    call = replace(
        of(operation) if operation is not OperationType.AUTHORIZE else CALL,
        currency=currency,
        amount=amount,
        payment_method=token,
        sale=sale,
        country=country,
        return_url=return_url,
    )
    request = request_for(call, "ShopECOM")
    if isinstance(request, Request):
        assert violation(request.endpoint.name.lower(), request.body) is None
    else:
        assert currency in ("CVE", "IDR")


def test_the_other_requests_are_sound_as_well() -> None:
    resumed = asked(replace(CALL, psp_payment_id=PAYMENT, action_result="Xf3!passed"))
    shut_out = technical_cancel_for(CALL, "ShopECOM")

    assert (resumed.endpoint, violation("details", resumed.body)) == (Endpoint.DETAILS, None)
    assert (shut_out.endpoint, violation("technical_cancels", shut_out.body)) == (
        Endpoint.TECHNICAL_CANCELS,
        None,
    )


@pytest.mark.parametrize(
    ("operation", "endpoint"),
    [
        (OperationType.CAPTURE, Endpoint.CAPTURES),
        (OperationType.CANCEL, Endpoint.CANCELS),
        (OperationType.REFUND, Endpoint.REFUNDS),
    ],
)
def test_the_key_is_reference_and_idempotency_key(operation: OperationType, endpoint: Endpoint) -> None:
    request = asked(of(operation))

    assert (request.endpoint, request.payment_id, request.idempotency_key) == (endpoint, PAYMENT, KEY)
    assert request.body["reference"] == KEY
    assert request.body["merchantAccount"] == "ShopECOM"


@pytest.mark.parametrize("payment", [PAYMENT, KEY])
def test_a_payment_that_waits_for_its_payer_ends_without_a_request(payment: str) -> None:
    """Adyen would take the cancel in and let it fail; what it has named so far may be nothing at all."""
    cancel = replace(of(OperationType.CANCEL), psp_payment_id=payment, awaits_payer=True)
    assert request_for(cancel, "ShopECOM") == Approved("")


def test_a_technical_cancel_names_the_call_twice_and_has_a_key_of_its_own() -> None:
    request = technical_cancel_for(CALL, "ShopECOM")

    assert request.body["paymentReference"] == request.body["reference"] == KEY
    assert request.idempotency_key != KEY
    # Adyen takes no longer ones.
    assert len(request.idempotency_key) <= 64


def test_an_authorization_is_captured_by_hand_and_a_sale_at_once() -> None:
    authorization, sale = asked(CALL).body, asked(replace(CALL, sale=True)).body

    assert authorization["additionalData"] == {"manualCapture": "true"}
    assert "captureDelayHours" not in authorization
    assert sale["captureDelayHours"] == 0
    assert "additionalData" not in sale


def test_a_payer_comes_back_to_where_the_caller_said_or_nowhere() -> None:
    back = "https://shop.example/back"
    assert asked(replace(CALL, return_url=back)).body["returnUrl"] == back
    assert str(asked(CALL).body["returnUrl"]).startswith("https://payflow.invalid/")


def test_a_payer_who_brought_nothing_back_has_authorized_nothing() -> None:
    refused = request_for(replace(CALL, psp_payment_id=PAYMENT), "ShopECOM")

    assert isinstance(refused, NotExecuted)
    assert refused.failure.code == "authentication_required"


@pytest.mark.parametrize("live", [True, False])
def test_a_stored_payment_method_is_its_id_and_its_shopper(live: bool) -> None:
    body = asked(replace(CALL, payment_method=payment_method(STORED), live=live)).body

    assert body["paymentMethod"] == {"type": "scheme", "storedPaymentMethodId": "M5N7TQ4TG5PFWR50"}
    assert body["shopperReference"] == "shopper-17.of_shop"


@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_can_be_asked_for_in_test_mode(code: str) -> None:
    body = asked(replace(CALL, payment_method=f"pm_card_refused_{code}")).body

    assert body["additionalData"] == {
        "manualCapture": "true",
        "RequestedTestAcquirerResponseCode": code,
    }


@pytest.mark.parametrize("token", ["pm_card_visa", "pm_card_declined", "pm_card_refused_2", "pm_card_3ds"])
def test_test_cards_mean_nothing_in_live_mode(token: str) -> None:
    refused = request_for(replace(CALL, payment_method=token, live=True), "ShopECOM")

    assert isinstance(refused, Declined)
    assert (refused.failure.code, refused.failure.advice) == ("invalid_payment_method", Advice.RECOLLECT)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "pm_card_of_nobody",
        "pm_card_refused_1",
        "adyen.M5N7.ab",
        "adyen..shopper",
        "adyen.M5N7",
        STORED[1:],
    ],
)
@pytest.mark.parametrize("live", [True, False])
def test_a_token_that_nobody_issued_is_declined_without_asking(token: str, live: bool) -> None:
    refused = request_for(replace(CALL, payment_method=token, live=live), "ShopECOM")

    assert isinstance(refused, Declined)
    assert refused.failure.code == "invalid_payment_method"


@pytest.mark.parametrize("operation", [OperationType.AUTHORIZE, OperationType.CAPTURE, OperationType.REFUND])
def test_an_amount_that_adyen_cannot_count_is_never_sent(operation: OperationType) -> None:
    payment_id = "" if operation is OperationType.AUTHORIZE else PAYMENT
    call = replace(CALL, operation=operation, psp_payment_id=payment_id)

    finer = request_for(replace(call, amount=150_050, currency="IDR"), "ShopECOM")
    foreign = request_for(replace(call, currency="BGN"), "ShopECOM")
    assert isinstance(finer, NotExecuted)
    assert isinstance(foreign, NotExecuted)
    assert (finer.failure.code, foreign.failure.code) == ("invalid_amount", "not_supported")
    assert asked(replace(call, amount=1500, currency="ISK")).body["amount"] == {
        "value": 150_000,
        "currency": "ISK",
    }
