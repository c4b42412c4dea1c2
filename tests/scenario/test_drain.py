"""SIGTERM in the middle of a PSP call: what was accepted is finished, then the process ends with 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from payflow.v1 import payment_intent_pb2 as pb
from server.config import Settings
from server.wiring import Core
from server.worker.payments import CLEANING_EVERY_S
from tests.audit import attempts_of, effects_by_intent, events_of
from tests.books import assert_books_right, assert_psp_agrees, open_attempts
from tests.databases import Database
from tests.in_process import WatchedConnector, served
from tests.payments import ApiError, Caller
from tests.stack import Process, Stack, running_stack
from tests.turned_clock import ShiftedClock
from tests.waiting import WAIT_S, wait_until

FLOWS = 5


@pytest.fixture
def stack(new_database: Callable[[], Database], tmp_path: Path) -> Iterator[Stack]:
    with running_stack(new_database(), tmp_path) as running:
        yield running


def _open_attempts(stack: Stack) -> int:
    return open_attempts(stack.database.owner_url)


def test_a_server_finishes_the_calls_it_has_accepted(stack: Stack) -> None:
    address = stack.serve()
    server = stack.processes[-1]
    with Caller(address) as caller, ThreadPoolExecutor(FLOWS) as executor:
        intent_ids = [caller.create().id for _ in range(FLOWS)]
        with stack.simulator.paused():
            answers = [executor.submit(caller.authorize, intent_id) for intent_id in intent_ids]
            wait_until(lambda: _open_attempts(stack) == FLOWS)
            _ask_to_stop(server)
            assert not any(answer.done() for answer in answers)
            assert _open_attempts(stack) == FLOWS
        assert {answer.result(WAIT_S).status for answer in answers} == {pb.PAYMENT_INTENT_STATUS_AUTHORIZED}
        exit_code = server.process.wait(WAIT_S)
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
        with stack.simulator.paused():
            abandoned = caller.intents.AuthorizePaymentIntent.future(
                pb.AuthorizePaymentIntentRequest(id=intent_id),
                metadata=(("idempotency-key", "authorize-1"),),
            )
            wait_until(lambda: _open_attempts(stack) == 1)
            abandoned.cancel()  # type: ignore[no-untyped-call]  # by grpc-stubs
            _ask_to_stop(server)
            assert _open_attempts(stack) == 1
        exit_code = server.process.wait(WAIT_S)
    assert exit_code == 0, server.log.read_text()
    assert events_of(stack.database.owner_url, intent_id)[-1] == "payment_intent.authorized"
    assert_books_right(stack.database.owner_url)
    assert_psp_agrees(stack.database.owner_url, stack.simulator)


def test_a_worker_finishes_the_recovery_it_has_begun(stack: Stack) -> None:
    intent_ids = _left_behind(stack)
    assert _open_attempts(stack) == FLOWS
    with stack.simulator.paused():
        worker = stack.worker()
        wait_until(lambda: _taken_over(stack, intent_ids) == FLOWS)
        worker.process.terminate()
        assert _open_attempts(stack) == FLOWS
    exit_code = worker.process.wait(WAIT_S)
    assert exit_code == 0, worker.log.read_text()
    for intent_id in intent_ids:
        assert events_of(stack.database.owner_url, intent_id)[-1] == "payment_intent.authorized"
    assert_books_right(stack.database.owner_url)
    assert_psp_agrees(stack.database.owner_url, stack.simulator)


def test_an_idle_worker_ends_at_once(stack: Stack) -> None:
    worker = stack.worker()
    wait_until(lambda: "worker ready" in worker.log.read_text())
    worker.process.terminate()
    # Half of what one of its loops waits between two rounds.
    exit_code = worker.process.wait(CLEANING_EVERY_S / 2)
    assert exit_code == 0, worker.log.read_text()


def _ask_to_stop(server: Process) -> None:
    server.process.terminate()
    wait_until(lambda: "stopping" in server.log.read_text())


def _left_behind(stack: Stack) -> list[str]:
    """Authorizations whose answers were lost, an hour ago by the clock of the process that asked."""
    settings = Settings.from_environment(stack.environment)
    clock = ShiftedClock(-3_600)
    core = Core(settings, clock)
    connector = WatchedConnector(core.connectors["simulator"], clock)
    connector.loses_answers = True
    core.ports = replace(core.ports, connectors={connector.name: connector})
    try:
        with (
            served(core, settings) as address,
            Caller(address) as caller,
            ThreadPoolExecutor(FLOWS) as executor,
        ):
            intent_ids = [str(caller.create().id) for _ in range(FLOWS)]
            answers = executor.map(caller.authorize, intent_ids)
            assert {answer.status for answer in answers} == {pb.PAYMENT_INTENT_STATUS_PROCESSING}
    finally:
        core.close()
    return intent_ids


def _taken_over(stack: Stack, intent_ids: list[str]) -> int:
    return sum(attempts_of(stack.database.owner_url, one)[0]["fence"] == 2 for one in intent_ids)
