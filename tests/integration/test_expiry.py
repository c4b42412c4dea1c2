"""Authorizations and idempotency keys that run out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from payflow.store.commit.key_cleaner import delete_expired
from payflow.v1 import payment_intent_pb2 as pb
from tests.audit import effects_by_intent, events_of
from tests.books import assert_books_right, assert_psp_agrees
from tests.databases import Database
from tests.in_process import KEY_TTL_S, LEASE_S, InProcess, in_process
from tests.payments import ApiError, Reply
from tests.waiting import WAIT_S

TTL_S = 600
PAYABLE = "sys:merchant_payable:simulator:USD"
KEYS = 8
BATCH_MAX = 3


@pytest.fixture
def payflow(new_database: Callable[[], Database], tmp_path: Path) -> Iterator[InProcess]:
    with in_process(new_database(), tmp_path) as running:
        yield running


def _authorized(payflow: InProcess) -> str:
    """An authorization that holds for TTL_S; PayFlow's clock is turned to its last instant."""
    payflow.simulator.behave(authorization_ttl_s=TTL_S)
    intent = payflow.caller.authorize(payflow.caller.create().id)
    expires_at = intent.authorization_expires_at.ToDatetime(payflow.clock.now().tzinfo)
    left_s = (expires_at - payflow.clock.now()).total_seconds()
    # The PSP's clock has gone on since this one was stopped.
    assert TTL_S <= left_s < TTL_S + WAIT_S
    payflow.clock.forward(seconds=left_s - 0.001)
    assert payflow.recovery.authorizations() == 0
    return str(intent.id)


def _assert_expired(payflow: InProcess, intent_id: str) -> None:
    expired = payflow.caller.get(intent_id)
    assert expired.status == pb.PAYMENT_INTENT_STATUS_CANCELED
    assert expired.cancellation_reason == pb.CANCELLATION_REASON_EXPIRED
    assert payflow.recovery.authorizations() == 0
    released = payflow.caller.balance(PAYABLE)
    assert (released.posted, released.pending_debits, released.pending_credits) == (0, 0, 0)
    assert effects_by_intent(payflow.simulator)[intent_id] == [("authorize", 10_000), ("cancel", 10_000)]
    assert_books_right(payflow.url)
    assert_psp_agrees(payflow.url, payflow.simulator)


def test_an_authorization_that_runs_out_is_voided_and_canceled(payflow: InProcess) -> None:
    intent_id = _authorized(payflow)
    assert payflow.caller.balance(PAYABLE).pending_credits == 10_000
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED
    payflow.clock.forward(seconds=0.001)
    assert payflow.recovery.authorizations() == 1
    _assert_expired(payflow, intent_id)


def test_an_authorization_that_was_captured_does_not_run_out(payflow: InProcess) -> None:
    intent_id = _authorized(payflow)
    payflow.caller.capture(intent_id)
    payflow.clock.forward(days=30)
    assert payflow.recovery.authorizations() == 0
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_CAPTURED


def test_a_void_that_is_not_answered_still_counts_as_expired(payflow: InProcess) -> None:
    intent_id = _authorized(payflow)
    payflow.connector.loses_answers = True
    payflow.clock.forward(seconds=1)
    assert payflow.recovery.authorizations() == 1
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_PROCESSING
    payflow.connector.loses_answers = False
    payflow.clock.forward(seconds=5)
    assert payflow.recovery.attempts() == 1
    _assert_expired(payflow, intent_id)


def test_a_void_waits_for_a_psp_that_is_down(payflow: InProcess) -> None:
    intent_id = _authorized(payflow)
    payflow.simulator.kill()
    payflow.clock.forward(seconds=1)
    assert payflow.recovery.authorizations() == 1
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED
    payflow.restart_simulator()
    # The next try is not due at once: one that keeps failing must not hold up the others.
    assert payflow.recovery.authorizations() == 0
    payflow.clock.forward(seconds=600)
    assert payflow.recovery.authorizations() == 1
    _assert_expired(payflow, intent_id)


def _create(payflow: InProcess, key: str, amount: int = 10_000) -> Reply:
    request = pb.CreatePaymentIntentRequest(merchant_id="merchant_test", amount=amount, currency="USD")
    return payflow.caller.reply(payflow.caller.intents.CreatePaymentIntent, request, key)


def _keys(payflow: InProcess) -> dict[str, bool]:
    """The keys that are stored, and whether each has been answered."""
    with psycopg.connect(payflow.url) as connection:
        found = connection.execute("SELECT key, response IS NOT NULL FROM idempotency_keys")
        return {row[0]: row[1] for row in found}


def _clean(payflow: InProcess) -> int:
    return delete_expired(payflow.database.application_url, payflow.clock.now(), BATCH_MAX)


def test_expired_keys_are_deleted_in_batches_and_running_ones_are_kept(payflow: InProcess) -> None:
    first = [_create(payflow, f"old-{number}").message for number in range(KEYS)]
    with payflow.slow_caller() as (slow_caller, psp), ThreadPoolExecutor(1) as executor:
        running = executor.submit(slow_caller.authorize, first[0].id, "", "running")
        assert psp.arrived.wait(WAIT_S)
        payflow.clock.forward(seconds=KEY_TTL_S - LEASE_S)
        _create(payflow, "young")
        assert _clean(payflow) == 0
        payflow.clock.forward(seconds=LEASE_S)

        assert [_clean(payflow) for _ in range(4)] == [3, 3, 2, 0]
        assert _keys(payflow) == {"running": False, "young": True}
        # However old it is: it runs.
        payflow.clock.forward(days=365)
        assert [_clean(payflow) for _ in range(2)] == [1, 0]
        assert _keys(payflow) == {"running": False}
        psp.release.set()
        assert running.result(WAIT_S).status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED

    # Expiry counts from the end.
    payflow.clock.forward(seconds=KEY_TTL_S - 0.001)
    assert (_clean(payflow), _keys(payflow)) == (0, {"running": True})
    payflow.clock.forward(seconds=0.001)
    assert (_clean(payflow), _keys(payflow)) == (1, {})
    assert len(effects_by_intent(payflow.simulator)) == 1


@pytest.mark.parametrize("cleaned", [True, False])
def test_a_key_that_has_expired_stands_for_a_new_request(payflow: InProcess, cleaned: bool) -> None:
    old = _create(payflow, "key-1")
    payflow.clock.forward(seconds=KEY_TTL_S - 0.001)
    replayed = _create(payflow, "key-1")
    assert (replayed.message, replayed.replayed) == (old.message, True)
    with pytest.raises(ApiError) as refused:
        _create(payflow, "key-1", amount=999)
    assert refused.value.reason == "IDEMPOTENCY_KEY_REUSED"

    payflow.clock.forward(seconds=0.001)
    assert not cleaned or _clean(payflow) == 1
    anew = _create(payflow, "key-1", amount=999)
    assert (anew.message.amount, anew.replayed) == (999, False)
    assert anew.message.id != old.message.id
    again = _create(payflow, "key-1", amount=999)
    assert (again.message, again.replayed) == (anew.message, True)


@pytest.mark.parametrize("cleaned", [True, False])
def test_the_key_of_a_psp_operation_that_has_expired_runs_anew(payflow: InProcess, cleaned: bool) -> None:
    intent_id = payflow.caller.create().id
    payflow.caller.authorize(intent_id, key="key-1")
    payflow.clock.forward(seconds=KEY_TTL_S)
    assert not cleaned or [_clean(payflow) for _ in range(2)] == [2, 0]
    # Anew means that it is decided again: the state has moved on, and the money has moved once.
    with pytest.raises(ApiError) as refused:
        payflow.caller.authorize(intent_id, key="key-1")
    assert refused.value.reason == "INVALID_STATE_TRANSITION"
    other_id = payflow.caller.create().id
    authorized = payflow.caller.authorize(other_id, key="key-1")
    assert authorized.status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED
    assert payflow.caller.authorize(other_id, key="key-1") == authorized
    assert events_of(payflow.url, intent_id)[-1] == "payment_intent.authorized"
    assert_books_right(payflow.url)
    assert_psp_agrees(payflow.url, payflow.simulator)
