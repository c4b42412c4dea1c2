"""SIGKILL at every named point of a PSP operation; a retry or recovery finishes it, exactly once.

Every operation, twice, is held at the point until all are there; then the process dies. One of the two
is finished by its caller, who repeats the request with the same key at another process, the other by
recovery, after which the caller repeats it too.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from payflow.v1 import payment_intent_pb2, payment_types_pb2, refund_pb2
from server.config import Settings
from server.wiring import Core
from server.worker.recovery import Recovery
from tests.audit import assert_psp_agrees_on_every_intent, attempts_of, effects_by_intent, events_of
from tests.books import assert_books_right, assert_psp_agrees, open_attempts
from tests.databases import Database
from tests.killable_server import KillPoint
from tests.payments import ApiError, Caller, Reply
from tests.ports import free_port
from tests.stack import Stack, running_stack
from tests.turned_clock import ShiftedClock
from tests.waiting import WAIT_S

AMOUNT = 10_000
CAPTURED_AMOUNT = 8_000
REFUNDED_AMOUNT = 3_000
WAYS = ("retry", "recovery")
# Turned back, so that the leases of the process that dies have run out for those that live on.
CLOCK_BEHIND_S = 60.0
# Two calls of this length and the commits around them fit into a lease of less than that.
PSP_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Operation:
    """How an operation is prepared and asked for, and what it has left behind when it happened once."""

    prepare: Callable[[Caller], str]
    ask: Callable[[Caller, str, str], Reply]
    final_status: int
    final_event: str
    effects: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Flow:
    """One operation on one intent under one key."""

    operation: Operation
    intent_id: str
    key: str

    def ask(self, caller: Caller) -> Reply:
        """Asks for it, always with the same key."""
        return self.operation.ask(caller, self.intent_id, self.key)


def _authorized(caller: Caller) -> str:
    intent_id: str = caller.create(AMOUNT).id
    caller.authorize(intent_id)
    return intent_id


def _captured(caller: Caller) -> str:
    intent_id = _authorized(caller)
    caller.capture(intent_id)
    return intent_id


def _created(caller: Caller) -> str:
    return str(caller.create(AMOUNT).id)


def _created_for_sale(caller: Caller) -> str:
    return str(caller.create(AMOUNT, capture_method=payment_types_pb2.CAPTURE_METHOD_AUTOMATIC).id)


def _authorize(caller: Caller, intent_id: str, key: str) -> Reply:
    request = payment_intent_pb2.AuthorizePaymentIntentRequest(id=intent_id)
    return caller.reply(caller.intents.AuthorizePaymentIntent, request, key)


def _capture(caller: Caller, intent_id: str, key: str) -> Reply:
    request = payment_intent_pb2.CapturePaymentIntentRequest(id=intent_id, amount=CAPTURED_AMOUNT)
    return caller.reply(caller.intents.CapturePaymentIntent, request, key)


def _cancel(caller: Caller, intent_id: str, key: str) -> Reply:
    request = payment_intent_pb2.CancelPaymentIntentRequest(id=intent_id)
    return caller.reply(caller.intents.CancelPaymentIntent, request, key)


def _refund(caller: Caller, intent_id: str, key: str) -> Reply:
    request = refund_pb2.CreateRefundRequest(payment_intent_id=intent_id, amount=REFUNDED_AMOUNT)
    return caller.reply(caller.refunds.CreateRefund, request, key)


HELD = ("authorize", AMOUNT)
OPERATIONS = {
    "authorize": Operation(
        _created,
        _authorize,
        payment_intent_pb2.PAYMENT_INTENT_STATUS_AUTHORIZED,
        "payment_intent.authorized",
        [HELD],
    ),
    "sale": Operation(
        _created_for_sale,
        _authorize,
        payment_intent_pb2.PAYMENT_INTENT_STATUS_CAPTURED,
        "payment_intent.captured",
        [("sale", AMOUNT)],
    ),
    "capture": Operation(
        _authorized,
        _capture,
        payment_intent_pb2.PAYMENT_INTENT_STATUS_CAPTURED,
        "payment_intent.captured",
        [HELD, ("capture", CAPTURED_AMOUNT)],
    ),
    "cancel": Operation(
        _authorized,
        _cancel,
        payment_intent_pb2.PAYMENT_INTENT_STATUS_CANCELED,
        "payment_intent.canceled",
        [HELD, ("cancel", AMOUNT)],
    ),
    "refund": Operation(
        _captured,
        _refund,
        refund_pb2.REFUND_STATUS_REFUNDED,
        "refund.succeeded",
        [HELD, ("capture", AMOUNT), ("refund", REFUNDED_AMOUNT)],
    ),
}


@pytest.fixture
def stack(new_database: Callable[[], Database], tmp_path: Path, valkey_url: str) -> Iterator[Stack]:
    settings = {"REDIS_URL": valkey_url, "SIMULATOR_TIMEOUT": f"{PSP_TIMEOUT_S}s"}
    with running_stack(new_database(), tmp_path, **settings) as running:
        yield running


@pytest.fixture
def survivor(stack: Stack) -> Iterator[Caller]:
    """Calls a server process that is not killed."""
    with Caller(stack.serve()) as caller:
        yield caller


@pytest.mark.parametrize("point", list(KillPoint))
def test_killed_operations_are_finished_once(stack: Stack, survivor: Caller, point: KillPoint) -> None:
    flows = {
        (name, way): Flow(operation, operation.prepare(survivor), f"{point}-{name}-{way}")
        for name, operation in OPERATIONS.items()
        for way in WAYS
    }
    _kill_at(point, stack, list(flows.values()))
    begun = point is not KillPoint.BEFORE_COMMIT_1
    answered = point is KillPoint.AFTER_COMMIT_2
    unfinished = begun and not answered
    assert open_attempts(stack.database.owner_url) == len(flows) * unfinished

    for name in OPERATIONS:
        retried = flows[name, "retry"]
        reply = retried.ask(survivor)
        assert reply.replayed == answered, name
        _assert_finished_once(stack, survivor, retried, reply.message)
    assert open_attempts(stack.database.owner_url) == len(OPERATIONS) * unfinished

    assert _recover(stack) == len(OPERATIONS) * unfinished
    for name in OPERATIONS:
        recovered = flows[name, "recovery"]
        assert len(_finals(stack, recovered)) == begun, name
        reply = recovered.ask(survivor)
        assert reply.replayed == begun, name
        _assert_finished_once(stack, survivor, recovered, reply.message)

    assert_books_right(stack.database.owner_url)
    assert_psp_agrees(stack.database.owner_url, stack.simulator)
    assert_psp_agrees_on_every_intent(stack.database.owner_url, stack.simulator)


def _kill_at(point: KillPoint, stack: Stack, flows: list[Flow]) -> None:
    """Sends every flow to a process that dies when all of them are at ``point``."""
    port = free_port()
    process = stack.start(
        f"killable-{point}",
        ("-m", "tests.killable_server"),
        GRPC_PORT=str(port),
        PROMETHEUS_PORT=str(free_port()),
        KILL_POINT=point,
        KILL_FLOWS=str(len(flows)),
        CLOCK_BEHIND_S=str(CLOCK_BEHIND_S),
    )
    stack.wait_until_serving(f"127.0.0.1:{port}")
    with Caller(f"127.0.0.1:{port}") as caller, ThreadPoolExecutor(len(flows)) as executor:
        failures = list(executor.map(lambda flow: _failure(caller, flow), flows))
    assert [failure.code for failure in failures] == [grpc.StatusCode.UNAVAILABLE] * len(flows)
    assert process.process.wait(WAIT_S) == -signal.SIGKILL
    reached = Counter(line for line in process.log.read_text().splitlines() if line.startswith("at "))
    assert reached == {f"at {point}: {flow.intent_id}": 1 for flow in flows}


def _failure(caller: Caller, flow: Flow) -> ApiError:
    with pytest.raises(ApiError) as raised:
        flow.ask(caller)
    return raised.value


def _recover(stack: Stack) -> int:
    """One round of recovery by a process whose clock is ahead; says how much was due."""
    core = Core(Settings.from_environment(stack.environment), ShiftedClock(3_600))
    try:
        return Recovery(core.ports, core.due).attempts()
    finally:
        core.close()


def _finals(stack: Stack, flow: Flow) -> list[str]:
    events = events_of(stack.database.owner_url, flow.intent_id)
    return [event for event in events if event == flow.operation.final_event]


def _assert_finished_once(stack: Stack, caller: Caller, flow: Flow, answer: Any) -> None:
    assert answer.status == flow.operation.final_status
    assert len(_finals(stack, flow)) == 1
    assert effects_by_intent(stack.simulator)[flow.intent_id] == flow.operation.effects
    again = flow.ask(caller)
    assert again.replayed
    assert again.message == answer
    attempts = attempts_of(stack.database.owner_url, flow.intent_id)
    assert [one["state"] for one in attempts if one["idempotency_key"] == flow.key] == ["SUCCEEDED"]
