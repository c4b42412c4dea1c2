"""What verified events say: what Stripe says of their object now."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from payflow.domain.declines import failure
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import (
    ActionRequired,
    Approved,
    Declined,
    NextAction,
    OperationType,
)
from payflow.psp.connector import PspSilentError
from payflow.psp.stripe.notices import PAYMENT_EVENTS, REFUND_EVENTS
from payflow.psp.stripe.webhooks import Content
from tests.scripted_psp import Act, answer, close, http
from tests.stripe_calls import error, payment, refund, scripted, sent

OURS = {"metadata": {"payflow_reference": "pi_1-1"}}
FAILED = {"last_payment_error": {"type": "card_error", "code": "payment_intent_authentication_failure"}}


def content(
    kind: str = "payment_intent.succeeded", object_id: str = "pi_s", reference: str = "pi_1-1"
) -> bytes:
    about = "refund" if kind in REFUND_EVENTS else "payment_intent"
    return msgspec.json.encode(Content(kind, about, object_id, reference))


def authorized(outcome: Any) -> Notice:
    return Notice(OperationType.AUTHORIZE, outcome, "pi_1-1", "pi_s", 1000, "USD")


@pytest.mark.parametrize(
    ("now", "notice"),
    [
        (payment("requires_capture", **OURS), authorized(Approved("pi_s"))),
        (payment("succeeded", capture_method="automatic", **OURS), authorized(Approved("pi_s"))),
        (payment("processing", **OURS), None),
        (
            payment("requires_action", next_action={"type": "use_stripe_sdk"}, **OURS),
            authorized(ActionRequired("pi_s", NextAction("use_stripe_sdk"))),
        ),
        (
            payment("succeeded", amount_received=600, **OURS),
            Notice(OperationType.CAPTURE, Approved("pi_s"), "", "pi_s", 600, "USD"),
        ),
        (
            payment("canceled", cancellation_reason="requested_by_customer", **OURS),
            Notice(OperationType.CANCEL, Approved("pi_s"), psp_payment_id="pi_s"),
        ),
        (
            payment("canceled", **OURS, **FAILED),
            authorized(
                Declined(failure("authentication_failed", "payment_intent_authentication_failure"), "pi_s")
            ),
        ),
        (payment("canceled", metadata={"payflow_reference": "x", "payflow_shut_out": "CAPTURE"}), None),
        (payment("requires_confirmation", **OURS), None),
        (payment("requires_payment_method", **OURS), None),
        (payment("brand_new_status", **OURS), None),
    ],
)
def test_every_event_of_a_payment_says_what_the_payment_is_now(
    now: dict[str, Any], notice: Notice | None
) -> None:
    events = sorted(PAYMENT_EVENTS) * 2
    random.Random(now["status"]).shuffle(events)
    with scripted(*[answer(200, now)] * len(events)) as (_, connector):
        assert [connector.interpret(content(kind), "") for kind in events] == [notice] * len(events)


@pytest.mark.parametrize(
    ("now", "outcome", "after_success"),
    [
        (refund("succeeded"), Approved("re_s"), False),
        (refund("pending"), None, False),
        (
            refund("failed", failure_reason="lost_or_stolen_card"),
            Declined(failure("invalid_account", "lost_or_stolen_card"), "re_s"),
            True,
        ),
        (refund("canceled"), Declined(failure("unknown_decline"), "re_s"), False),
    ],
)
def test_every_event_of_a_refund_says_what_the_refund_is_now(
    now: dict[str, Any], outcome: Any, after_success: bool
) -> None:
    now |= {"payment_intent": "pi_s", "metadata": {"payflow_reference": "pi_1-3"}}
    with scripted(*[answer(200, now)] * len(REFUND_EVENTS)) as (script, connector):
        notices = [connector.interpret(content(kind, "re_s", "pi_1-3"), "") for kind in sorted(REFUND_EVENTS)]
    expected = Notice(OperationType.REFUND, outcome, "pi_1-3", "pi_s", 1000, "USD", after_success)
    assert notices == [expected if outcome else None] * len(REFUND_EVENTS)
    assert sent(script.requests[0])[0] == "GET /v1/refunds/re_s HTTP/1.1"


def test_a_payment_that_the_payer_failed_on_is_closed_before_it_is_said_to_be_declined() -> None:
    acts = [
        answer(200, payment("requires_payment_method", **OURS, **FAILED)),
        answer(200, payment("canceled")),
    ]
    with scripted(*acts) as (script, connector):
        notice = connector.interpret(content("payment_intent.payment_failed"), "")
    expected = Declined(failure("authentication_failed", "payment_intent_authentication_failure"), "pi_s")
    assert notice == authorized(expected)
    assert sent(script.requests[1])[0] == "POST /v1/payment_intents/pi_s/cancel HTTP/1.1"


def test_amounts_of_a_notice_are_minor_units() -> None:
    with scripted(answer(200, payment("requires_capture", amount=500, currency="isk", **OURS))) as (
        _,
        connector,
    ):
        notice = connector.interpret(content(), "")
    assert notice is not None
    assert (notice.amount, notice.currency) == (5, "ISK")


@pytest.mark.parametrize(
    ("kind", "reference"),
    [
        ("payment_intent.succeeded", ""),
        ("payment_intent.created", "pi_1-1"),
        ("charge.dispute.created", "pi_1-1"),
        ("customer.created", "pi_1-1"),
        ("brand.new", "pi_1-1"),
    ],
)
def test_what_is_not_ours_or_of_no_interest_is_not_asked_about(kind: str, reference: str) -> None:
    with scripted(answer(200, payment("succeeded"))) as (script, connector):
        assert connector.interpret(content(kind, reference=reference), "") is None
    assert not script.requests


@pytest.mark.parametrize(
    "acts",
    [
        [answer(500, error("api_error"))],
        [answer(429, error())],
        [answer(401, error())],
        [http(200, b"nonsense")],
        [close, close],
        [answer(200, payment("requires_payment_method", **OURS, **FAILED)), answer(503, error("api_error"))],
    ],
)
def test_a_stripe_that_does_not_say_it_is_asked_again_later(acts: list[Act]) -> None:
    with scripted(*acts) as (_, connector), pytest.raises(PspSilentError):
        connector.interpret(content(), "")


def test_an_account_without_a_key_is_asked_again_later() -> None:
    with scripted(answer(200, payment("succeeded"))) as (_, connector), pytest.raises(PspSilentError):
        connector.interpret(content(), "SHOP1")


def test_an_object_that_stripe_does_not_know_makes_no_sense() -> None:
    missing = answer(404, error(code="resource_missing", param="id"))
    with scripted(missing) as (_, connector), pytest.raises(ValueError, match="resource_missing"):
        connector.interpret(content(), "")


@pytest.mark.parametrize("noise", [b"", b"{}", b"[]", b"\xff"])
def test_content_that_is_none_makes_no_sense(noise: bytes) -> None:
    with scripted(answer(200, payment("succeeded"))) as (_, connector), pytest.raises(msgspec.MsgspecError):
        connector.interpret(noise, "")
