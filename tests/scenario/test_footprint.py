"""What idle processes take, and several server processes on one port."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from payflow.v1 import payment_intent_pb2 as pb
from tests.books import assert_books_right, assert_psp_agrees
from tests.databases import Database
from tests.payments import Caller
from tests.stack import Stack, running_stack
from tests.waiting import WAIT_S, wait_until

RSS_MAX_BYTES = 150_000_000
PROCESSES = 2
CONNECTIONS = 16
CONNECTIONS_MAX = 128
IDLE_S = 1.0
# A connection stays with one process, and channels share one unless they are told not to.
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


@pytest.fixture(scope="module")
def stack(
    new_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory, valkey_url: str
) -> Iterator[Stack]:
    with running_stack(new_database(), tmp_path_factory.mktemp("footprint"), REDIS_URL=valkey_url) as running:
        yield running


@pytest.fixture(scope="module")
def address(stack: Stack) -> str:
    """Two serving processes on one port, a gateway in front of them, and a worker."""
    address = stack.serve(GRPC_PROCESSES=str(PROCESSES))
    stack.gateway(address)
    worker = stack.worker()
    wait_until(lambda: "worker ready" in worker.log.read_text())
    return address


def family_of(stack: Stack, name: str) -> list[psutil.Process]:
    """A process of the stack and all that it started."""
    [pid] = [one.process.pid for one in stack.processes if one.name == name]
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def serving(stack: Stack) -> list[psutil.Process]:
    return [one for one in family_of(stack, "serve")[1:] if "spawn_main" in " ".join(one.cmdline())]


def test_idle_processes_are_small(stack: Stack, address: str) -> None:
    time.sleep(IDLE_S)
    assert len(serving(stack)) == PROCESSES
    sizes = {
        f"{name} {one.pid}": one.memory_info().rss
        for name in ("serve", "gateway", "worker")
        for one in family_of(stack, name)
    }
    assert {name: size for name, size in sizes.items() if size > RSS_MAX_BYTES} == {}


def test_several_processes_share_the_port(stack: Stack, address: str) -> None:
    before = cpu_times(stack)

    def all_have_worked() -> bool:
        return all(after > earlier for earlier, after in zip(before, cpu_times(stack), strict=True))

    with ExitStack() as channels:
        for number in range(CONNECTIONS_MAX):
            # The kernel gives each connection to one of the processes, as chance will have it.
            if number >= CONNECTIONS and all_have_worked():
                break
            caller = channels.enter_context(Caller(address, options=OWN_CONNECTION))
            check = health_pb2_grpc.HealthStub(caller.channel).Check(
                health_pb2.HealthCheckRequest(), timeout=WAIT_S
            )
            assert check.status == health_pb2.HealthCheckResponse.SERVING
            every_call(caller)
        assert all_have_worked()
    assert_books_right(stack.database.owner_url)
    assert_psp_agrees(stack.database.owner_url, stack.simulator)


def cpu_times(stack: Stack) -> list[float]:
    return [one.cpu_times().user + one.cpu_times().system for one in serving(stack)]


def every_call(caller: Caller) -> None:
    """One payment from create to refund, and what can be read of it."""
    intent = caller.captured(100)
    refund = caller.refund(intent.id, 40)
    assert caller.get(intent.id).refunded_amount == 40
    listed = caller.intents.ListPaymentIntents(pb.ListPaymentIntentsRequest(merchant_id=caller.merchant_id))
    assert intent.id in {one.id for one in listed.payment_intents}
    trail = caller.intents.ListPaymentIntentEvents(pb.ListPaymentIntentEventsRequest(id=intent.id))
    assert trail.events[-1].refund_succeeded.refund_id == refund.id
    assert [total.difference for total in caller.trial_balance().totals] == [0]
    canceled = caller.cancel(caller.create().id)
    assert canceled.status == pb.PAYMENT_INTENT_STATUS_CANCELED


@pytest.mark.parametrize("name", ["worker", "gateway", "serve"])
def test_sigterm_ends_with_zero(stack: Stack, address: str, name: str) -> None:
    [process] = [one for one in stack.processes if one.name == name]
    family = family_of(stack, name)
    process.process.send_signal(signal.SIGTERM)
    assert process.process.wait(WAIT_S) == 0
    _, alive = psutil.wait_procs(family, timeout=WAIT_S)
    assert alive == []
