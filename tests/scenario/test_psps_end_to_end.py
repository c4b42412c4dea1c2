"""Whole payments: from callers through server and PSPs, and back through gateway, inbox and worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
import urllib3

from tests.books import assert_books_right, open_attempts
from tests.databases import Database
from tests.psp_stack import PspStack, psp_stack
from tests.psps import Holdings, silent
from tests.shops import Fields
from tests.tracked_payment import Position, TrackedPayment
from tests.waiting import WAIT_S

HELD = {"psp_clearing": (0, 10_000, 0), "merchant_payable": (0, 0, 10_000)}
FEE = {"platform_fees": (-180, 0, 0)}
TAKEN = {"psp_clearing": (6_000, 0, 0), "merchant_payable": (-5_820, 0, 0)} | FEE
RETURNING = {"psp_clearing": (6_000, 0, 1_000), "merchant_payable": (-5_820, 1_000, 0)} | FEE
RETURNED = {"psp_clearing": (5_000, 0, 0), "merchant_payable": (-4_820, 0, 0)} | FEE

AUTHORIZED = Position("authorized", (10_000, 0, 0, 0), HELD, Holdings(held=10_000))
CAPTURING = Position("processing", (10_000, 0, 0, 0), HELD, Holdings(taken=6_000))
CAPTURED = Position("captured", (10_000, 6_000, 0, 0), TAKEN, Holdings(taken=6_000))
REFUNDING = Position("captured", (10_000, 6_000, 0, 1_000), RETURNING, Holdings(taken=6_000, returned=1_000))
REFUNDED = Position("captured", (10_000, 6_000, 1_000, 0), RETURNED, Holdings(taken=6_000, returned=1_000))
CANCELING = Position("processing", (10_000, 0, 0, 0), HELD)
CANCELED = Position("canceled", (10_000, 0, 0, 0))
CHALLENGED = Position("requires_action")
FAILED = Position("failed")
REVERSED = Position("failed", (10_000, 0, 0, 0))

RETURN_URL = "https://shop.example/back"

Opens = Callable[[str, str], TrackedPayment]


@pytest.fixture(scope="module")
def psps(
    new_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PspStack]:
    with psp_stack(new_database(), tmp_path_factory.mktemp("end_to_end")) as running:
        yield running


@pytest.fixture
def opens(psps: PspStack) -> Iterator[Opens]:
    """Opens a payment of 100.00 USD at a PSP, of a new shop that calls over "grpc" or "http"."""
    with ExitStack() as opened:

        def open_payment(psp: str, over: str) -> TrackedPayment:
            shop = opened.enter_context(psps.shop(psp, over))
            intent_id = shop.create(10_000, "USD")["id"]
            return TrackedPayment(intent_id, shop, psps.psp(psp), psps.database_url)

        yield open_payment
    assert open_attempts(psps.database_url) == 0
    assert_books_right(psps.database_url)


@pytest.mark.parametrize("over", ["grpc", "http"])
@pytest.mark.parametrize("psp", ["stripe", "adyen", "simulator"])
def test_a_payment_is_captured_in_part_and_refunded_in_part(opens: Opens, psp: str, over: str) -> None:
    payment = opens(psp, over)
    answer = payment.authorize()
    assert (answer["status"], answer["psp"]) == ("authorized", psp)
    assert payment.position() == AUTHORIZED

    shop, intent_id = payment.shop, payment.id
    answer = payment.goes(lambda: shop.capture(intent_id, 6_000), CAPTURING, CAPTURED)
    assert answer["status"] == ("processing" if payment.psp.tells_later else "captured")
    refund = payment.goes(lambda: shop.refund(intent_id, 1_000), REFUNDING, REFUNDED)
    assert refund["status"] == ("pending" if payment.psp.tells_later else "refunded")
    assert shop.refunded(refund["id"])["status"] == "refunded"
    assert payment.webhooks_applied() == [False, payment.psp.tells_later, payment.psp.tells_later]


@pytest.mark.parametrize("over", ["grpc", "http"])
@pytest.mark.parametrize("psp", ["stripe", "adyen", "simulator"])
def test_an_authorized_payment_is_canceled(opens: Opens, psp: str, over: str) -> None:
    payment = opens(psp, over)
    payment.authorize()
    assert payment.position() == AUTHORIZED
    answer = payment.goes(lambda: payment.shop.cancel(payment.id), CANCELING, CANCELED)
    assert answer["status"] == ("processing" if payment.psp.tells_later else "canceled")
    assert payment.webhooks_applied() == [False, payment.psp.tells_later]


@pytest.mark.parametrize(("psp", "over"), [("stripe", "http"), ("adyen", "http"), ("simulator", "grpc")])
def test_a_decline_ends_a_payment_with_its_canonical_code(opens: Opens, psp: str, over: str) -> None:
    payment = opens(psp, over)
    answer = payment.authorize(payment_method=payment.psp.poor_card)
    assert (answer["status"], answer["failure"]["code"]) == ("failed", "insufficient_funds")
    payment.settle()
    assert payment.position() == FAILED
    # What its webhook says of the reason is less, and comes too late to be told.
    assert payment.shop.intent(payment.id)["failure"] == answer["failure"]
    assert not any(payment.webhooks_applied())


def test_adyen_authorizes_with_what_the_payer_brings_back_from_a_challenge(opens: Opens) -> None:
    payment = opens("adyen", "http")
    answer = payment.authorize(payment_method="pm_card_3ds", return_url=RETURN_URL)
    assert answer["status"] == "requires_action"
    assert payment.position() == CHALLENGED

    back_at, brought = _at_payers_page(answer)
    assert back_at == RETURN_URL
    answer = payment.authorize(action_result=brought["redirectResult"])
    assert answer["status"] == "authorized"
    payment.settle()
    assert payment.position() == AUTHORIZED
    assert payment.webhooks_applied() == [False]


def test_adyen_takes_back_a_capture_that_had_succeeded(opens: Opens, psps: PspStack) -> None:
    payment, adyen = opens("adyen", "http"), psps.adyen
    payment.authorize()
    payment.goes(lambda: payment.shop.capture(payment.id, 6_000), CAPTURING, CAPTURED)
    adyen.double.fail_later(adyen.reference(payment.id, "CAPTURED"), "CAPTURE_FAILED")
    payment.settle()
    assert payment.position() == REVERSED
    assert payment.shop.intent(payment.id)["failure"]["psp_code"] == "CAPTURE_FAILED"
    assert payment.webhooks_applied() == [False, True, True]


def test_adyen_takes_back_a_refund_that_had_succeeded(opens: Opens, psps: PspStack) -> None:
    payment, adyen = opens("adyen", "grpc"), psps.adyen
    payment.authorize()
    payment.goes(lambda: payment.shop.capture(payment.id, 6_000), CAPTURING, CAPTURED)
    refund = payment.goes(lambda: payment.shop.refund(payment.id, 1_000), REFUNDING, REFUNDED)
    adyen.double.fail_later(adyen.reference(payment.id, "REFUNDED"), "REFUND_FAILED")
    payment.settle()
    assert payment.position() == CAPTURED
    failed = payment.shop.refunded(refund["id"])
    assert (failed["status"], failed["failure"]["psp_code"]) == ("failed", "REFUND_FAILED")
    assert payment.webhooks_applied() == [False, True, True, True]


def test_stripe_tells_that_the_payer_has_authenticated(opens: Opens) -> None:
    payment = opens("stripe", "http")
    answer = _challenged_by_stripe(payment)
    back_at, brought = _at_payers_page(answer)
    assert (back_at, brought) == (RETURN_URL, {"payment_intent": answer["psp_payment_id"]})
    payment.settle()
    assert payment.position() == AUTHORIZED
    assert payment.webhooks_applied() == [False, True]


def test_stripe_goes_on_with_a_payer_who_has_authenticated(opens: Opens) -> None:
    payment = opens("stripe", "grpc")
    answer = _challenged_by_stripe(payment)
    with silent(payment.psp):
        _at_payers_page(answer)
        assert payment.shop.authorize(payment.id)["status"] == "authorized"
    assert payment.position() == AUTHORIZED
    payment.settle()
    assert payment.position() == AUTHORIZED
    assert payment.webhooks_applied() == [False, False]


def test_stripe_tells_of_a_refund_that_takes_its_time_and_of_one_that_fails_in_the_end(
    opens: Opens, psps: PspStack
) -> None:
    payment, double = opens("stripe", "http"), psps.stripe.double
    payment.authorize()
    payment.shop.capture(payment.id, 6_000)
    double.refunds_begin("pending")
    try:
        refund = payment.shop.refund(payment.id, 1_000)
    finally:
        double.refunds_begin("succeeded")
    payment.settle()
    assert refund["status"] == "pending"
    assert payment.position() == replace(REFUNDING, at_psp=Holdings(taken=6_000))

    [at_stripe] = double.refunds(payment.shop.intent(payment.id)["psp_payment_id"])
    double.refund_becomes(at_stripe["id"], "succeeded")
    payment.settle()
    assert payment.position() == REFUNDED

    double.refund_becomes(at_stripe["id"], "failed", "lost_or_stolen_card")
    payment.settle()
    assert payment.position() == CAPTURED
    assert payment.shop.refunded(refund["id"])["status"] == "failed"


def _challenged_by_stripe(payment: TrackedPayment) -> Fields:
    """Has the payment wait for its payer, with nothing left to be told; the answer."""
    answer = payment.authorize(payment_method="pm_card_threeDSecure2Required", return_url=RETURN_URL)
    payment.settle()
    assert answer["status"] == "requires_action"
    assert payment.position() == CHALLENGED
    return answer


def _at_payers_page(answer: Fields) -> tuple[str, dict[str, str]]:
    """The payer does what is asked for: where the page sends them to, without and with what they bring."""
    url = answer["next_action"]["redirect_url"]
    page = urllib3.request("GET", url, redirect=False, retries=False, timeout=WAIT_S)
    back_at, _, query = page.headers["location"].partition("?")
    return back_at, dict(parse_qsl(query))
