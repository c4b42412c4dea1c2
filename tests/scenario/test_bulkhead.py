"""A PSP that hangs on every call leaves everything else as fast as before."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from payflow.v1 import payment_intent_pb2 as pb
from tests.databases import Database
from tests.payments import ApiError, Caller
from tests.stack import Stack, running_stack
from tests.waiting import WAIT_S, wait_until

RPC_THREADS = 16
# Half of the threads may wait for PSPs, and three quarters of that half for any one of them.
PSP_SLOTS = 6
SAMPLES = 40
ROUNDS = 3
HANGS_S = 2 * WAIT_S
# Best medians of one run, in turns; the slack is for a machine that is busy with something else at times.
RATIO_MAX = 5
SLACK_S = 0.005

Calls = dict[str, Callable[[], Any]]


@pytest.fixture(scope="module")
def stack(new_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(new_database(), tmp_path_factory.mktemp("bulkhead")) as running:
        yield running


@pytest.fixture(scope="module")
def callers(stack: Stack) -> Iterator[tuple[Caller, Caller]]:
    """One to the server whose PSP calls will hang, one to a server beside it that has none."""
    settings = {"RPC_THREADS_MAX": str(RPC_THREADS), "SIMULATOR_TIMEOUT": f"{HANGS_S}s"}
    with Caller(stack.serve(**settings)) as hanging, Caller(stack.serve(**settings)) as idle:
        yield hanging, idle


def seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def medians_in_turns(one: Callable[[], Any], other: Callable[[], Any]) -> tuple[float, float]:
    """The median seconds of each; what else the machine does slows both."""
    turns = [(seconds(one), seconds(other)) for _ in range(SAMPLES)]
    return tuple(map(statistics.median, zip(*turns, strict=True)))


def calls_of(caller: Caller, intent_id: str) -> Calls:
    """Calls that have nothing to do with a PSP."""
    health = health_pb2_grpc.HealthStub(caller.channel)
    return {
        "get": lambda: caller.get(intent_id),
        "balance": caller.trial_balance,
        "create": caller.create,
        "health": lambda: health.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_S),
    }


@contextmanager
def hanging_authorizations(stack: Stack, caller: Caller) -> Iterator[list[Future[Any]]]:
    """Every place at the PSP is taken by an authorization that hangs; in the end the PSP dies."""
    intents = [caller.create().id for _ in range(PSP_SLOTS)]
    stack.simulator.behave(hang_s=HANGS_S)
    with ThreadPoolExecutor(PSP_SLOTS) as executor:
        waiting = [executor.submit(_authorized, caller, intent_id) for intent_id in intents]
        try:
            wait_until(lambda: len(stack.simulator.executions()) == 1 + PSP_SLOTS)
            yield waiting
        finally:
            stack.simulator.kill()


def _authorized(caller: Caller, intent_id: str) -> Any:
    """The answer of one who waits for longer than the PSP hangs."""
    request = pb.AuthorizePaymentIntentRequest(id=intent_id)
    return caller.reply(caller.intents.AuthorizePaymentIntent, request, timeout_s=2 * HANGS_S).message


def test_a_hanging_psp_slows_nothing_else_down(stack: Stack, callers: tuple[Caller, Caller]) -> None:
    hanging, idle = callers
    known = hanging.create().id
    hanging.authorize(known)
    spare = hanging.create().id
    with hanging_authorizations(stack, hanging) as waiting:
        pairs = {name: (call, calls_of(idle, known)[name]) for name, call in calls_of(hanging, known).items()}
        pairs["refused"] = partial(assert_refused, hanging, spare), idle.create
        rounds = [{name: medians_in_turns(*pair) for name, pair in pairs.items()} for _ in range(ROUNDS)]
        assert not any(one.done() for one in waiting), "they were to hang all the while"
    best = {
        name: [min(times) for times in zip(*(one[name] for one in rounds), strict=True)] for name in pairs
    }
    print({name: f"{during / beside:.2f} times as long" for name, (during, beside) in best.items()})
    slower = {
        name: (during, beside)
        for name, (during, beside) in best.items()
        if during > RATIO_MAX * beside + SLACK_S
    }
    assert slower == {}
    assert idle.get(spare).version == 1, "something was written about a refused authorization"
    # Whoever hung is told the truth: nobody knows.
    assert {one.result().status for one in waiting} == {pb.PAYMENT_INTENT_STATUS_PROCESSING}


def assert_refused(caller: Caller, intent_id: str) -> None:
    """One authorization too many."""
    with pytest.raises(ApiError) as refused:
        caller.authorize(intent_id)
    assert (refused.value.code, refused.value.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert refused.value.retry_after_s
