"""Webhooks that come twice, late and in any order, about payments that go on meanwhile."""

from __future__ import annotations

import random

import msgspec
import pytest

from payflow.domain.declines import failure
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import ActionRequired, Approved, Declined, OperationType
from payflow.psp.stripe.connector import StripeConnector
from payflow.psp.stripe.notices import PAYMENT_EVENTS, REFUND_EVENTS
from payflow.psp.stripe.webhooks import Content
from tests.stripe_calls import authorization, modification
from tests.stripe_double.running import StripeDouble

AUTHORIZE, CAPTURE, CANCEL, REFUND = OperationType


def told(connector: StripeConnector, kinds: frozenset[str], object_id: str, reference: str) -> Notice | None:
    """What all events of an object say now, each of them twice and in any order: the same."""
    events = sorted(kinds) * 2
    random.Random(object_id).shuffle(events)
    contents = [msgspec.json.encode(Content(kind, "", object_id, reference)) for kind in events]
    first, *others = [connector.interpret(content, "") for content in contents]
    assert others == [first] * len(others)
    return first


def test_a_payment_says_what_it_is_at_each_step(stripe: StripeDouble, connector: StripeConnector) -> None:
    call = authorization("pm_card_threeDSecure2Required", return_url="https://s", asked_at=stripe.clock.now())
    waiting = connector.execute(call)
    assert isinstance(waiting, ActionRequired)
    payment_id = waiting.psp_id

    def now() -> Notice | None:
        return told(connector, PAYMENT_EVENTS, payment_id, call.psp_key)

    assert now() == Notice(AUTHORIZE, waiting, call.psp_key, payment_id, 1000, "USD")
    stripe.authenticate(payment_id)
    notice = now()
    assert notice is not None
    assert isinstance(notice.outcome, Approved)
    assert notice == Notice(AUTHORIZE, notice.outcome, call.psp_key, payment_id, 1000, "USD")
    stripe.captured_elsewhere(payment_id, 600)
    assert now() == Notice(CAPTURE, Approved(payment_id), "", payment_id, 600, "USD")


@pytest.mark.parametrize("reason", ["expired", "duplicate", "requested_by_customer"])
def test_a_payment_that_others_canceled_is_canceled(
    stripe: StripeDouble, connector: StripeConnector, reason: str
) -> None:
    call = authorization(asked_at=stripe.clock.now())
    outcome = connector.execute(call)
    assert isinstance(outcome, Approved)
    stripe.canceled_elsewhere(outcome.psp_id, reason)
    notice = told(connector, PAYMENT_EVENTS, outcome.psp_id, call.psp_key)
    assert notice == Notice(CANCEL, Approved(outcome.psp_id), psp_payment_id=outcome.psp_id)


def test_a_payment_that_came_to_nothing_says_why_and_not_that_it_was_canceled(
    stripe: StripeDouble, connector: StripeConnector
) -> None:
    call = authorization("pm_card_visa_chargeDeclinedLostCard", asked_at=stripe.clock.now())
    outcome = connector.execute(call)
    assert isinstance(outcome, Declined)
    notice = told(connector, PAYMENT_EVENTS, outcome.psp_id, call.psp_key)
    assert notice == Notice(AUTHORIZE, outcome, call.psp_key, outcome.psp_id, 1000, "USD")


def test_what_only_shuts_out_a_reference_says_nothing(
    stripe: StripeDouble, connector: StripeConnector
) -> None:
    call = authorization(asked_at=stripe.clock.now())
    connector.cancel_by_reference(call)
    [payment] = stripe.payments()
    assert told(connector, PAYMENT_EVENTS, payment["id"], call.psp_key) is None


def test_a_refund_says_what_it_is_at_each_step(stripe: StripeDouble, connector: StripeConnector) -> None:
    sale = connector.execute(authorization(sale=True, asked_at=stripe.clock.now()))
    assert isinstance(sale, Approved)
    stripe.refunds_begin("pending")
    call = modification(REFUND, sale.psp_id, 400)
    connector.execute(call)
    [refund] = stripe.refunds(sale.psp_id)

    def now() -> Notice | None:
        return told(connector, REFUND_EVENTS, refund["id"], call.psp_key)

    assert now() is None
    stripe.refund_becomes(refund["id"], "succeeded")
    assert now() == Notice(REFUND, Approved(refund["id"]), call.psp_key, sale.psp_id, 400, "USD")
    stripe.refund_becomes(refund["id"], "failed", "declined")
    failed = Declined(failure("card_declined", "declined"), refund["id"])
    assert now() == Notice(REFUND, failed, call.psp_key, sale.psp_id, 400, "USD", after_success=True)
