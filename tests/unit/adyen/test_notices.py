"""What an event of Adyen's says of an operation."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import Advice, Approved, Declined, NotExecuted, OperationType, Unknown
from payflow.psp.adyen.accounts import Account
from payflow.psp.adyen.notices import interpret
from payflow.psp.adyen.webhooks import verified
from payflow.psp.connector import Delivery
from tests.adyen_double.notifications import delivery

HMAC_KEY = "44" * 32
ACCOUNT = Account("https://checkout-test.adyen.com", "ShopECOM", "key", HMAC_KEY)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = "pi_01m83r7m7zef2b586ssnrcjsb1b3zkwz-2"
PAYMENT, OWN = "9913140798220028", "QFQTPCQ8HXSKGK82"


def notice_of(event_code: str, success: bool = True, **changes: Any) -> Notice | None:
    """The notice in a webhook as it arrives, verified first."""
    item = {
        "pspReference": OWN,
        "originalReference": PAYMENT,
        "merchantAccountCode": "ShopECOM",
        "merchantReference": KEY,
        "amount": {"value": 1999, "currency": "EUR"},
        "eventCode": event_code,
        "success": "true" if success else "false",
        "eventDate": NOW.isoformat(),
        "reason": "fraud",
        "additionalData": {"refusalReasonRaw": "51: insufficient funds", "modification.action": "refund"},
        **changes,
    }
    body = json.dumps(delivery([item], HMAC_KEY)).encode()
    [signed] = verified(Delivery({}, body), ACCOUNT, NOW)
    return interpret(signed.content)


def failed(event_code: str) -> Declined:
    """Nobody signs why, so nobody is told why."""
    notice = notice_of(event_code, success=event_code.endswith(("_FAILED", "_REVERSED")))
    assert notice is not None
    assert isinstance(notice.outcome, Declined)
    return notice.outcome


def test_an_authorization_is_about_the_payment_itself() -> None:
    assert notice_of("AUTHORISATION") == Notice(OperationType.AUTHORIZE, Approved(OWN), KEY, OWN, 1999, "EUR")


@pytest.mark.parametrize(
    ("event_code", "operation", "psp_id"),
    [("CAPTURE", OperationType.CAPTURE, PAYMENT), ("REFUND", OperationType.REFUND, OWN)],
)
def test_a_modification_is_known_by_its_own_reference_and_its_payment(
    event_code: str, operation: OperationType, psp_id: str
) -> None:
    assert notice_of(event_code) == Notice(operation, Approved(psp_id), KEY, PAYMENT, 1999, "EUR")


def test_a_cancel_compares_no_amount() -> None:
    assert notice_of("CANCELLATION") == Notice(OperationType.CANCEL, Approved(PAYMENT), KEY, PAYMENT)


@pytest.mark.parametrize(
    ("event_code", "operation"),
    [
        ("AUTHORISATION", OperationType.AUTHORIZE),
        ("CAPTURE", OperationType.CAPTURE),
        ("CANCELLATION", OperationType.CANCEL),
        ("REFUND", OperationType.REFUND),
    ],
)
def test_a_failure_says_that_and_not_why(event_code: str, operation: OperationType) -> None:
    notice = notice_of(event_code, success=False)
    assert notice is not None
    assert (notice.operation, notice.psp_key, notice.after_success) == (operation, KEY, False)

    failure = failed(event_code).failure
    assert (failure.code, failure.psp_code) == ("unknown_decline", event_code)
    assert (failure.retryable, failure.advice) == (False, Advice.NEVER)
    assert "fraud" not in failure.message


@pytest.mark.parametrize(
    ("event_code", "operation"),
    [
        ("CAPTURE_FAILED", OperationType.CAPTURE),
        ("REFUND_FAILED", OperationType.REFUND),
        ("REFUNDED_REVERSED", OperationType.REFUND),
    ],
)
def test_a_success_can_fail_later(event_code: str, operation: OperationType) -> None:
    assert notice_of(event_code) == Notice(
        operation, failed(event_code), KEY, PAYMENT, 1999, "EUR", after_success=True
    )
    assert failed(event_code).psp_id == OWN
    assert notice_of(event_code, success=False) is None


def test_a_technical_cancel_shuts_the_authorization_out_that_its_reference_names() -> None:
    notice = notice_of("TECHNICAL_CANCEL")

    assert notice is not None
    assert (notice.operation, notice.psp_key, notice.psp_payment_id) == (
        OperationType.AUTHORIZE,
        KEY,
        PAYMENT,
    )
    assert isinstance(notice.outcome, NotExecuted)
    assert notice.outcome.failure.code == "psp_key_shut_out"


def test_a_technical_cancel_that_found_nothing_proves_nothing() -> None:
    notice = notice_of("TECHNICAL_CANCEL", success=False, originalReference="")

    assert notice is not None
    assert (notice.operation, notice.psp_key) == (OperationType.AUTHORIZE, KEY)
    assert isinstance(notice.outcome, Unknown)


@pytest.mark.parametrize("original", ["", PAYMENT])
def test_what_runs_out_is_canceled_under_no_reference_of_ours(original: str) -> None:
    payment = original or OWN
    assert notice_of("EXPIRE", originalReference=original) == Notice(
        OperationType.CANCEL, Approved(payment), psp_payment_id=payment
    )


@pytest.mark.parametrize(
    "event_code",
    [
        # What was done is in additionalData, which nobody signs; PayFlow never asks for a reversal.
        "CANCEL_OR_REFUND",
        "AUTHORISATION_ADJUSTMENT",
        "CHARGEBACK",
        "NOTIFICATION_OF_FRAUD",
        "OFFER_CLOSED",
        "REPORT_AVAILABLE",
        "SOMETHING_NEW",
    ],
)
@pytest.mark.parametrize("success", [True, False])
def test_other_events_say_nothing(event_code: str, success: bool) -> None:
    assert notice_of(event_code, success) is None


@pytest.mark.parametrize("event_code", ["AUTHORISATION", "CAPTURE", "TECHNICAL_CANCEL", "EXPIRE"])
@pytest.mark.parametrize("reference", ["order-17", "17", KEY.removesuffix("-2"), f"{KEY}-2", KEY.upper()])
def test_another_systems_payments_at_the_same_merchant_account_are_of_no_interest(
    event_code: str, reference: str
) -> None:
    assert notice_of(event_code, merchantReference=reference) is None


@pytest.mark.parametrize(("value", "currency", "amount"), [(199_900, "ISK", 1999), (1999, "IDR", 199_900)])
def test_amounts_come_back_in_payflows_minor_units(value: int, currency: str, amount: int) -> None:
    notice = notice_of("CAPTURE", amount={"value": value, "currency": currency})
    assert notice is not None
    assert (notice.amount, notice.currency) == (amount, currency)


@pytest.mark.parametrize(("value", "currency"), [(199_901, "ISK"), (1999, "XXX")])
def test_an_amount_that_was_never_asked_for_makes_no_sense(value: int, currency: str) -> None:
    with pytest.raises(ValueError, match="cannot have been asked for"):
        notice_of("CAPTURE", amount={"value": value, "currency": currency})


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"eventCode":"CAPTURE"}'])
def test_content_that_is_no_event_makes_no_sense(content: bytes) -> None:
    with pytest.raises(ValueError):
        interpret(content)
