"""Payments of PayFlow that go through Stripe: what its callers, its books and its recovery see of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from payflow.v1 import merchant_pb2, refund_pb2
from payflow.v1 import payment_intent_pb2 as pb
from server.worker.recovery import Recovery
from tests.books import assert_books_right
from tests.databases import Database
from tests.in_process import InProcess, in_process, served
from tests.payments import Caller
from tests.stripe_double.faults import Fault, Moment
from tests.stripe_double.operations import BROKEN
from tests.stripe_double.running import API_KEY, StripeDouble

AUTHORIZED, CAPTURED = pb.PAYMENT_INTENT_STATUS_AUTHORIZED, pb.PAYMENT_INTENT_STATUS_CAPTURED
PROCESSING, FAILED = pb.PAYMENT_INTENT_STATUS_PROCESSING, pb.PAYMENT_INTENT_STATUS_FAILED


@pytest.fixture(scope="module")
def payflow(
    new_database: Callable[[], Database],
    tmp_path_factory: pytest.TempPathFactory,
    stripe_double: StripeDouble,
) -> Iterator[InProcess]:
    """PayFlow with a Stripe account."""
    environment = {"STRIPE_API_BASE": stripe_double.url, "STRIPE_API_KEY": API_KEY}
    directory = tmp_path_factory.mktemp("payflow")
    with in_process(new_database(), directory, **environment) as running, running.another() as core:
        running.core = core
        # A look-up asks Stripe for a stretch of time.
        late = running.clock.now() - stripe_double.clock.now()
        stripe_double.clock.forward(seconds=max(0.0, late.total_seconds()))
        running.recovery = Recovery(core.ports, core.due)
        yield running


@pytest.fixture(scope="module")
def caller(payflow: InProcess) -> Iterator[Caller]:
    """Calls as a merchant whose payments go to Stripe."""
    with served(payflow.core, payflow.settings) as address, Caller(address) as caller:
        caller.create()
        account = merchant_pb2.CreatePspAccountRequest(
            merchant_id=caller.merchant_id, id="stripe", connector="stripe", priority=1
        )
        caller.reply(caller.merchants.CreatePspAccount, account)
        simulator = merchant_pb2.UpdatePspAccountRequest(
            merchant_id=caller.merchant_id, id="simulator", enabled=False
        )
        caller.reply(caller.merchants.UpdatePspAccount, simulator)
        yield caller


@pytest.fixture(autouse=True)
def right_books(payflow: InProcess, stripe: StripeDouble) -> Iterator[None]:
    """Whatever happened, the books are right behind it."""
    yield
    assert_books_right(payflow.url)


def test_a_payment_is_authorized_captured_in_part_and_refunded_in_part(
    caller: Caller, stripe: StripeDouble
) -> None:
    intent = caller.authorize(caller.create().id)
    assert (intent.status, intent.psp) == (AUTHORIZED, "stripe")
    assert intent.authorization_expires_at.seconds > intent.created_at.seconds
    assert caller.capture(intent.id, 6_000).status == CAPTURED
    assert caller.refund(intent.id, 1_000).status == refund_pb2.REFUND_STATUS_REFUNDED
    [payment] = stripe.payments()
    assert (payment["id"], payment["amount_received"]) == (intent.psp_payment_id, 6_000)
    assert [one["amount"] for one in stripe.refunds(payment["id"])] == [1_000]


def test_a_payment_is_canceled(caller: Caller, stripe: StripeDouble) -> None:
    intent = caller.authorize(caller.create().id)
    assert caller.cancel(intent.id).status == pb.PAYMENT_INTENT_STATUS_CANCELED
    assert [one["status"] for one in stripe.payments()] == ["canceled"]


def test_a_decline_says_why(caller: Caller, stripe: StripeDouble) -> None:
    intent = caller.create(payment_method="pm_card_visa_chargeDeclinedInsufficientFunds")
    failed = caller.authorize(intent.id)
    assert (failed.status, failed.failure.code) == (FAILED, "insufficient_funds")
    assert [one["status"] for one in stripe.payments()] == ["canceled"]


def test_recovery_finds_what_stripe_did_and_never_answered(
    payflow: InProcess, caller: Caller, stripe: StripeDouble
) -> None:
    intent = caller.create()
    stripe.fails(Fault("POST /v1/payment_intents", answer=BROKEN))
    assert caller.authorize(intent.id).status == PROCESSING
    _recover(payflow)
    assert caller.get(intent.id).status == AUTHORIZED
    assert [one["status"] for one in stripe.payments()] == ["requires_capture"]


def test_recovery_sends_again_what_never_arrived(
    payflow: InProcess, caller: Caller, stripe: StripeDouble
) -> None:
    intent = caller.create()
    for _ in range(20):
        stripe.fails(Fault("POST /v1/payment_intents", Moment.ARRIVING, BROKEN))
    assert caller.authorize(intent.id).status == PROCESSING
    stripe.nothing_fails()
    _recover(payflow)
    assert caller.get(intent.id).status == AUTHORIZED
    assert len(stripe.payments()) == 1


def _recover(payflow: InProcess) -> None:
    payflow.clock.forward(seconds=10)
    assert payflow.recovery.attempts() == 1
