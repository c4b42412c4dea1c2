"""What the connector makes of Adyen's answers about a payment whose payer has acted, over real HTTP."""

from __future__ import annotations

import pytest

from payflow.domain.psp_outcome import (
    Accepted,
    Approved,
    Unknown,
)
from tests.adyen_answers import (
    AUTHORISED,
    CALL,
    NAMELESS,
    PAYMENT,
    RESUMED,
    answered,
    failure_code,
)
from tests.adyen_doubles import authorization
from tests.scripted_psp import answer


@pytest.mark.parametrize(
    "about",
    [
        {"merchantReference": CALL.psp_key},
        {"merchantReference": RESUMED.psp_key, "pspReference": "ANOTHER"},
        {"pspReference": PAYMENT},
    ],
)
def test_a_resumed_payment_is_the_same_one_as_before(about: dict[str, str]) -> None:
    body = {"resultCode": "Authorised", "pspReference": PAYMENT, **about}
    assert answered(RESUMED, answer(200, body)) == Approved(body["pspReference"])


def test_what_a_payer_brings_back_of_another_payment_authorizes_nothing_here() -> None:
    other = {**AUTHORISED, "merchantReference": authorization().psp_key}
    assert failure_code(answered(RESUMED, answer(200, other))) == "authentication_failed"


def test_an_answer_that_does_not_say_what_it_is_about_is_unknown() -> None:
    body = {"resultCode": "Authorised", "pspReference": "ANOTHER"}
    assert isinstance(answered(RESUMED, answer(200, body)), Unknown)


@pytest.mark.parametrize("result_code", ["Authorised", "Refused", "Error", "Cancelled", "Pending"])
def test_what_nothing_names_is_told_by_its_signed_webhook(result_code: str) -> None:
    """The first answer named no pspReference, and Adyen's own example of the second names no reference."""
    body = {"resultCode": result_code, "pspReference": PAYMENT}
    assert answered(NAMELESS, answer(200, body)) == Accepted(PAYMENT)


@pytest.mark.parametrize(
    "body", [{"resultCode": "Authorised"}, {"resultCode": "RedirectShopper", "pspReference": PAYMENT}]
)
def test_no_webhook_is_waited_for_that_may_never_come(body: dict[str, str]) -> None:
    assert isinstance(answered(NAMELESS, answer(200, body)), Unknown)


def test_whoever_is_named_is_not_nameless() -> None:
    own = {**AUTHORISED, "merchantReference": CALL.psp_key}
    assert answered(NAMELESS, answer(200, own)) == Approved(PAYMENT)
    other = {**AUTHORISED, "merchantReference": authorization().psp_key}
    assert failure_code(answered(NAMELESS, answer(200, other))) == "authentication_failed"
