"""SIGTERM in the middle of a PSP call: what was accepted is finished, then the process ends with 0."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from payflow.v1 import payment_intent_pb2 as pb
from server.config import Settings
from server.wiring import Core
from tests.audit import attempts_of, effects_by_intent, events_of
from tests.books import assert_books_right, assert_psp_agrees, open_attempts
from tests.databases import Database
from tests.in_process import served
from tests.payments import ApiError, Caller
from tests.simulators import wait_until
from tests.stack import Stack, running_stack
from tests.turned_clock import ShiftedClock

HANG_S = 2.0
GIVE_UP_AFTER_S = 1.0
IDLE_STOP_MAX_S = 5.0
FLOWS = 5


@pytest.fixture
def stack(new_database: Callable[[], Database], tmp_path: Path) -> Iterator[Stack]:
    with running_stack(new_database(), tmp_path) as running:
        yield running


def _at_psp(stack: Stack) -> int:
    return len(stack.simulator.effects())


def test_a_server_finishes_the_calls_it_has_accepted(stack: Stack) -> None:
    address = stack.serve()
    server = stack.processes[-1]
    with Caller(address) as caller, ThreadPoolExecutor(FLOWS) as executor:
        intent_ids = [caller.create().id for _ in range(FLOWS)]
        stack.simulator.behave(hang_s=HANG_S)
        answers = [executor.submit(caller.authorize, intent_id) for intent_id in intent_ids]
        wait_until(lambda: _at_psp(stack) == FLOWS)
        assert not any(answer.done() for answer in answers)
        assert open_attempts(stack.database.owner_url) == FLOWS
        exit_code = server.terminate()
        assert {answer.result(1).status for answer in answers} == {pb.PAYMENT_INTENT_STATUS_AUTHORIZED}
        with pytest.raises(ApiError) as refused:
            caller.create()
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE
    assert exit_code == 0, server.log.read_text()
    assert set(effects_by_intent(stack.simulator)) == set(intent_ids)
    assert_books_right(stack.database.owner_url)
    assert_psp_agrees(stack.database.owner_url, stack.simulator)


def test_a_server_finishes_what_its_caller_has_given_up(stack: Stack) -> None:
    address = stack.serve()
    server = stack.processes[-1]
    with Caller(address) as caller:
        intent_id = caller.create().id
        stack.simulator.behave(hang_s=HANG_S)
        with pytest.raises(grpc.RpcError) as abandoned:
            caller.intents.AuthorizePaymentIntent(
                pb.AuthorizePaymentIntentRequest(id=intent_id),
                metadata=(("idempotency-key", "authorize-1"),),
                timeout=GIVE_UP_AFTER_S,
            )
        assert abandoned.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert _at_psp(stack) == 1
        assert open_attempts(stack.database.owner_url) == 1
        exit_code = server.terminate()
    assert exit_code == 0, server.log.read_text()
    assert events_of(stack.database.owner_url, intent_id)[-1] == "payment_intent.authorized"
    assert_books_right(stack.database.owner_url)
    assert_psp_agrees(stack.database.owner_url, stack.simulator)


def test_a_worker_finishes_the_recovery_it_has_begun(stack: Stack) -> None:
    intent_ids = _left_behind(stack)
    assert open_attempts(stack.database.owner_url) == FLOWS
    stack.simulator.behave(hang_s=HANG_S)
    worker = stack.worker()
    wait_until(lambda: _taken_over(stack, intent_ids) == FLOWS)
    assert open_attempts(stack.database.owner_url) == FLOWS
    exit_code = worker.terminate()
    assert exit_code == 0, worker.log.read_text()
    for intent_id in intent_ids:
        assert events_of(stack.database.owner_url, intent_id)[-1] == "payment_intent.authorized"
    assert_books_right(stack.database.owner_url)
    assert_psp_agrees(stack.database.owner_url, stack.simulator)


def test_an_idle_worker_ends_at_once(stack: Stack) -> None:
    worker = stack.worker()
    wait_until(lambda: "worker ready" in worker.log.read_text())
    started_s = time.monotonic()
    exit_code = worker.terminate()
    assert exit_code == 0, worker.log.read_text()
    assert time.monotonic() - started_s < IDLE_STOP_MAX_S


def _left_behind(stack: Stack) -> list[str]:
    """Authorizations that nobody answered, a minute ago by the clock of the process that asked."""
    settings = Settings.from_environment(stack.environment | {"SIMULATOR_TIMEOUT": "300ms"})
    core = Core(settings, ShiftedClock(-60))
    try:
        with (
            served(core, settings) as address,
            Caller(address) as caller,
            ThreadPoolExecutor(FLOWS) as executor,
        ):
            intent_ids = [str(caller.create().id) for _ in range(FLOWS)]
            answers = executor.map(lambda one: caller.authorize(one, "pm_card_timeout"), intent_ids)
            assert {answer.status for answer in answers} == {pb.PAYMENT_INTENT_STATUS_PROCESSING}
    finally:
        core.close()
    return intent_ids


def _taken_over(stack: Stack, intent_ids: list[str]) -> int:
    return sum(attempts_of(stack.database.owner_url, one)[0]["fence"] == 2 for one in intent_ids)
