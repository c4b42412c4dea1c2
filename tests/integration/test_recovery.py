"""What a PSP does not answer: when it is asked again, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from payflow.v1 import payment_intent_pb2 as pb
from tests.audit import attempts_of, effects_by_intent, events_of
from tests.books import assert_books_right, assert_psp_agrees, open_attempts
from tests.databases import Database
from tests.in_process import InProcess, in_process

# The design's schedule: each wait counts from the check before it.
WAITS_S = (5, 30, 120, 600, 3_600, 21_600, 86_400)


@pytest.fixture
def payflow(new_database: Callable[[], Database], tmp_path: Path) -> Iterator[InProcess]:
    with in_process(new_database(), tmp_path) as running:
        yield running


def _authorize(payflow: InProcess, intent_id: str, payment_method: str, key: str) -> tuple[int, bool]:
    """The status that is answered, and whether it is a stored answer."""
    request = pb.AuthorizePaymentIntentRequest(id=intent_id, payment_method=payment_method)
    reply = payflow.caller.reply(payflow.caller.intents.AuthorizePaymentIntent, request, key)
    return reply.message.status, reply.replayed


def _checked_times(payflow: InProcess, since: datetime) -> list[float]:
    return [(asked_at - since).total_seconds() for asked_at in payflow.connector.looked_up]


def _wait_and_check(payflow: InProcess, wait_s: float) -> None:
    """One check that is made after ``wait_s``, and none a millisecond before."""
    payflow.clock.forward(seconds=wait_s - 0.001)
    assert payflow.recovery.attempts() == 0
    payflow.clock.forward(seconds=0.001)
    assert payflow.recovery.attempts() == 1
    assert payflow.recovery.attempts() == 0


def test_an_executed_authorization_without_an_answer_is_found_at_the_first_check(payflow: InProcess) -> None:
    intent_id = payflow.caller.create().id
    answered = _authorize(payflow, intent_id, "pm_card_timeout", "authorize-1")
    assert answered == (pb.PAYMENT_INTENT_STATUS_PROCESSING, False)
    processing = payflow.caller.get(intent_id)
    assert processing.operation.amount == processing.amount
    assert (processing.authorized_amount, payflow.connector.looked_up) == (0, [])
    assert _authorize(payflow, intent_id, "pm_card_timeout", "authorize-1") == (
        pb.PAYMENT_INTENT_STATUS_PROCESSING,
        True,
    )

    _wait_and_check(payflow, WAITS_S[0])
    found = payflow.caller.get(intent_id)
    assert (found.status, found.authorized_amount) == (pb.PAYMENT_INTENT_STATUS_AUTHORIZED, 10_000)
    assert len(payflow.connector.looked_up) == len(payflow.connector.executed) == 1
    # The stored answer stays what was answered; only Get tells the later truth.
    assert _authorize(payflow, intent_id, "pm_card_timeout", "authorize-1") == (
        pb.PAYMENT_INTENT_STATUS_PROCESSING,
        True,
    )

    payflow.caller.capture(intent_id)
    assert effects_by_intent(payflow.simulator) == {intent_id: [("authorize", 10_000), ("capture", 10_000)]}
    assert_books_right(payflow.url)
    assert_psp_agrees(payflow.url, payflow.simulator)


def test_a_sale_without_an_answer_is_found_captured(payflow: InProcess) -> None:
    intent_id = payflow.caller.create(capture_method="CAPTURE_METHOD_AUTOMATIC").id
    answered = _authorize(payflow, intent_id, "pm_card_timeout", "authorize-1")
    assert answered == (pb.PAYMENT_INTENT_STATUS_PROCESSING, False)
    _wait_and_check(payflow, WAITS_S[0])
    found = payflow.caller.get(intent_id)
    assert (found.status, found.captured_amount) == (pb.PAYMENT_INTENT_STATUS_CAPTURED, 10_000)
    assert effects_by_intent(payflow.simulator) == {intent_id: [("sale", 10_000)]}
    assert_books_right(payflow.url)
    assert_psp_agrees(payflow.url, payflow.simulator)


def test_an_authorization_that_never_arrives_is_shut_out_and_can_be_made_anew(payflow: InProcess) -> None:
    intent_id = payflow.caller.create().id
    started_at = payflow.clock.now()
    lost = _authorize(payflow, intent_id, "pm_card_lost", "authorize-1")
    assert lost == (pb.PAYMENT_INTENT_STATUS_PROCESSING, False)

    for wait_s in WAITS_S[:2]:
        _wait_and_check(payflow, wait_s)
        assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_PROCESSING
    assert payflow.connector.shut_out == []
    # The repeats with the same key were lost as well.
    assert len(payflow.connector.executed) == 3

    _wait_and_check(payflow, WAITS_S[2])
    assert _checked_times(payflow, started_at) == [5, 35, 155]
    assert payflow.connector.shut_out == [started_at + timedelta(seconds=155)]
    assert len(payflow.connector.executed) == 3
    back = payflow.caller.get(intent_id)
    assert (back.status, back.failure.retryable) == (pb.PAYMENT_INTENT_STATUS_CREATED, False)
    assert back.failure.code == "psp_key_shut_out"
    assert payflow.simulator.executions() == []
    payflow.clock.forward(days=2)
    assert payflow.recovery.attempts() == 0
    assert len(payflow.connector.looked_up) == 3

    again = _authorize(payflow, intent_id, "pm_card_visa", "authorize-2")
    assert again == (pb.PAYMENT_INTENT_STATUS_AUTHORIZED, False)
    payflow.caller.capture(intent_id)
    assert [one["state"] for one in attempts_of(payflow.url, intent_id)] == [
        "NOT_EXECUTED",
        "SUCCEEDED",
        "SUCCEEDED",
    ]
    assert_books_right(payflow.url)
    assert_psp_agrees(payflow.url, payflow.simulator)


def test_checks_that_are_never_answered_end_with_an_operator(payflow: InProcess) -> None:
    intent_id = payflow.caller.create().id
    payflow.connector.loses_answers = True
    started_at = payflow.clock.now()
    hanging = _authorize(payflow, intent_id, "pm_card_visa", "authorize-1")
    assert hanging == (pb.PAYMENT_INTENT_STATUS_PROCESSING, False)
    for wait_s in WAITS_S:
        [attempt] = attempts_of(payflow.url, intent_id)
        assert attempt["state"] == "UNKNOWN"
        _wait_and_check(payflow, wait_s)

    assert _checked_times(payflow, started_at) == [sum(WAITS_S[: n + 1]) for n in range(len(WAITS_S))]
    # Silence about a look-up proves nothing, so nothing was repeated; only the last check shuts it out.
    assert len(payflow.connector.executed) == 1
    assert payflow.connector.shut_out == [started_at + timedelta(seconds=sum(WAITS_S))]
    [attempt] = attempts_of(payflow.url, intent_id)
    assert attempt["state"] == "PARKED"
    assert events_of(payflow.url, intent_id)[-1] == "attempt.parked"
    payflow.clock.forward(days=30)
    assert payflow.recovery.attempts() == 0
    assert open_attempts(payflow.url) == 1
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_PROCESSING
    assert_books_right(payflow.url)


def test_a_refund_without_an_answer_keeps_its_amount_reserved_until_it_is_found(payflow: InProcess) -> None:
    intent_id = payflow.caller.captured(10_000).id
    payflow.connector.loses_answers = True
    payflow.caller.refund(intent_id, 6_000)
    waiting = payflow.caller.get(intent_id)
    assert (waiting.refunded_amount, waiting.refund_pending_amount) == (0, 6_000)
    assert waiting.status == pb.PAYMENT_INTENT_STATUS_CAPTURED
    payflow.connector.loses_answers = False
    _wait_and_check(payflow, WAITS_S[0])
    found = payflow.caller.get(intent_id)
    assert (found.refunded_amount, found.refund_pending_amount) == (6_000, 0)
    assert_books_right(payflow.url)
    assert_psp_agrees(payflow.url, payflow.simulator)
