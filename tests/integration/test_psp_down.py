"""A PSP that cannot be reached: proof that nothing was executed, so that everything is as before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from payflow.domain.declines import failure
from payflow.domain.psp_outcome import NotExecuted
from payflow.v1 import payment_intent_pb2 as pb
from payflow.v1 import refund_pb2
from tests.audit import attempts_of, effects_by_intent
from tests.books import assert_books_right, assert_psp_agrees
from tests.databases import Database
from tests.in_process import InProcess, in_process
from tests.payments import ApiError

PAYABLE = "sys:merchant_payable:simulator:USD"


@pytest.fixture
def payflow(new_database: Callable[[], Database], tmp_path: Path) -> Iterator[InProcess]:
    with in_process(new_database(), tmp_path) as running:
        yield running


def _assert_no_psp_available(call: Callable[[], object]) -> None:
    with pytest.raises(ApiError) as raised:
        call()
    assert (raised.value.code, raised.value.reason) == (grpc.StatusCode.UNAVAILABLE, "NO_PSP_AVAILABLE")
    assert raised.value.retry_after_s is not None and raised.value.retry_after_s > 0


def test_an_authorization_can_be_repeated_with_its_key(payflow: InProcess) -> None:
    intent_id = payflow.caller.create().id
    payflow.simulator.kill()
    for _ in range(2):
        _assert_no_psp_available(lambda: payflow.caller.authorize(intent_id, key="authorize-1"))
        back = payflow.caller.get(intent_id)
        assert (back.status, back.psp, back.HasField("operation")) == (
            pb.PAYMENT_INTENT_STATUS_CREATED,
            "",
            False,
        )
    payflow.restart_simulator()
    authorized = payflow.caller.authorize(intent_id, key="authorize-1")
    assert authorized.status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED
    assert not authorized.HasField("failure")
    attempts = attempts_of(payflow.url, intent_id)
    assert sorted(one["state"] for one in attempts) == ["NOT_EXECUTED", "NOT_EXECUTED", "SUCCEEDED"]
    assert len({one["psp_key"] for one in attempts}) == 3
    assert effects_by_intent(payflow.simulator) == {intent_id: [("authorize", 10_000)]}
    assert_books_right(payflow.url)
    assert_psp_agrees(payflow.url, payflow.simulator)


def test_a_capture_and_a_cancel_leave_the_authorization_as_it_was(payflow: InProcess) -> None:
    captured_id, canceled_id = (payflow.caller.create().id for _ in range(2))
    payflow.caller.authorize(captured_id)
    payflow.caller.authorize(canceled_id)
    held = payflow.caller.balance(PAYABLE)
    assert (held.posted, held.pending_credits) == (0, 20_000)
    payflow.simulator.kill()
    _assert_no_psp_available(lambda: payflow.caller.capture(captured_id, 4_000, key="capture-1"))
    _assert_no_psp_available(lambda: payflow.caller.cancel(canceled_id, key="cancel-1"))
    for intent_id in (captured_id, canceled_id):
        back = payflow.caller.get(intent_id)
        assert (back.status, back.captured_amount) == (pb.PAYMENT_INTENT_STATUS_AUTHORIZED, 0)
    assert payflow.caller.balance(PAYABLE).pending_credits == 20_000
    assert_books_right(payflow.url)

    payflow.restart_simulator()
    assert payflow.caller.capture(captured_id, 4_000, key="capture-1").captured_amount == 4_000
    assert payflow.caller.cancel(canceled_id, key="cancel-1").status == pb.PAYMENT_INTENT_STATUS_CANCELED
    settled = payflow.caller.balance(PAYABLE)
    assert (settled.posted, settled.pending_credits) == (-3_880, 0)
    assert_books_right(payflow.url)
    assert_psp_agrees(payflow.url, payflow.simulator)


def test_a_refund_fails_and_its_amount_is_free_again(payflow: InProcess) -> None:
    intent_id = payflow.caller.captured(10_000).id
    payflow.simulator.kill()
    with pytest.raises(ApiError, match="UNAVAILABLE NO_PSP_AVAILABLE"):
        payflow.caller.refund(intent_id, 7_000, key="refund-1")
    request = refund_pb2.ListRefundsRequest(payment_intent_id=intent_id)
    [failed] = payflow.caller.refunds.ListRefunds(request).refunds
    assert (failed.status, failed.failure.retryable) == (refund_pb2.REFUND_STATUS_FAILED, True)
    free = payflow.caller.get(intent_id)
    assert (free.refunded_amount, free.refund_pending_amount) == (0, 0)
    assert payflow.caller.balance(PAYABLE).pending_debits == 0

    payflow.restart_simulator()
    # The key is free, because it is proven that nothing was executed under it.
    again = payflow.caller.refund(intent_id, 7_000, key="refund-1")
    assert (again.status, again.id != failed.id) == (refund_pb2.REFUND_STATUS_REFUNDED, True)
    assert payflow.caller.refund(intent_id, key="refund-2").amount == 3_000
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_REFUNDED
    assert effects_by_intent(payflow.simulator)[intent_id][2:] == [("refund", 7_000), ("refund", 3_000)]
    assert_books_right(payflow.url)
    assert_psp_agrees(payflow.url, payflow.simulator)


def test_a_psp_that_is_down_while_it_is_asked_again_proves_nothing(payflow: InProcess) -> None:
    intent_id = payflow.caller.create().id
    payflow.caller.authorize(intent_id, "pm_card_timeout")
    payflow.simulator.kill()
    payflow.clock.forward(seconds=5)
    assert payflow.recovery.attempts() == 1
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_PROCESSING
    payflow.restart_simulator()
    payflow.clock.forward(seconds=30)
    assert payflow.recovery.attempts() == 1
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED
    assert_psp_agrees(payflow.url, payflow.simulator)


def test_one_that_failed_too_often_is_not_called_until_its_breaker_lets_a_call_through(
    new_database: Callable[[], Database], tmp_path: Path
) -> None:
    with in_process(new_database(), tmp_path, CB_FAILURE_THRESHOLD="1", CB_TIMEOUT="60s") as payflow:
        intent_id = payflow.caller.create().id
        payflow.simulator.kill()
        _assert_no_psp_available(lambda: payflow.caller.authorize(intent_id, key="authorize-1"))
        assert len(payflow.connector.executed) == 1
        payflow.restart_simulator()
        for _ in range(3):
            _assert_no_psp_available(lambda: payflow.caller.authorize(intent_id, key="authorize-1"))
        assert len(payflow.connector.executed) == 1
        payflow.clock.forward(seconds=60)
        authorized = payflow.caller.authorize(intent_id, key="authorize-1")
        assert authorized.status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED
        assert len(payflow.connector.executed) == 2
        assert effects_by_intent(payflow.simulator) == {intent_id: [("authorize", 10_000)]}
        assert_books_right(payflow.url)


def test_what_would_be_refused_again_is_not_to_be_tried_again(
    payflow: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent_id = payflow.caller.create().id
    refusal = NotExecuted(failure("invalid_amount"))
    with monkeypatch.context() as refusing:
        refusing.setattr(payflow.connector, "execute", lambda call: refusal)
        with pytest.raises(ApiError) as raised:
            payflow.caller.authorize(intent_id, key="authorize-1")
    assert (raised.value.code, raised.value.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PSP_REFUSED")
    assert raised.value.retry_after_s is None
    assert refusal.failure.message in str(raised.value)
    back = payflow.caller.get(intent_id)
    assert (back.status, back.failure.code) == (pb.PAYMENT_INTENT_STATUS_CREATED, "invalid_amount")
    assert (
        payflow.caller.authorize(intent_id, key="authorize-1").status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED
    )
