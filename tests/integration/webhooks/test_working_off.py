"""The worker and its inbox: what becomes of an event, when it is tried again, and in which order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY

from payflow.commands import apply_webhook
from payflow.domain.endpoint import Endpoint
from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import Unknown
from payflow.domain.webhook import KEPT_FOR, TRIES_MAX, Settlement, Webhook, WebhookState
from payflow.store.webhooks.cleaner import delete_old
from payflow.store.webhooks.queue import WebhookQueue
from tests.signed_webhooks import line
from tests.waiting import WAIT_S, wait_until
from tests.webhook_stack import BOLT, WebhookStack

FOREVER = float("inf")


class Applied:
    """Stands where notices are applied: notes them in order, and fails where a test says so."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.failures: list[Exception] = []
        self.changes = True

    def __call__(self, *arguments: Any) -> bool:
        _, call, _, intent_id, notice, endpoint = arguments
        assert isinstance(notice, Notice) and notice.psp_key.startswith(intent_id)
        assert (call.deadline, endpoint) == (None, Endpoint("acme", ""))
        if self.failures:
            raise self.failures.pop(0)
        self.keys.append(notice.psp_key)
        return self.changes


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> Applied:
    one = Applied()
    monkeypatch.setattr(apply_webhook, "apply_notice", one)
    return one


@pytest.fixture
def silence(stack: WebhookStack) -> Iterator[None]:
    """The PSP does not answer what it is asked."""
    stack.acme.is_silent = True
    yield
    stack.acme.is_silent = False


@pytest.fixture(autouse=True)
def nothing_left(stack: WebhookStack) -> Iterator[None]:
    """Each test begins with an empty inbox."""
    yield
    with psycopg.connect(stack.database.owner_url, autocommit=True) as connection:
        connection.execute("TRUNCATE webhook_inbox")


def approved(event_id: str, reference: str) -> bytes:
    return line(event_id, reference, b"approved " + reference.encode())


def state_of(stack: WebhookStack, event_id: str) -> tuple[str, int, str]:
    row = stack.row(event_id)
    assert (row["settled_at"] is None) == (row["state"] == "PENDING")
    return row["state"], row["tries"], row["detail"]


def settled(connector: str, state: str) -> float:
    labels = {"connector": connector, "state": state}
    return REGISTRY.get_sample_value("payflow_webhook_events_settled_total", labels) or 0


def test_what_a_payment_is_told_is_applied_and_what_is_of_no_interest_is_not(
    stack: WebhookStack, applied: Applied
) -> None:
    before = {state: settled("acme", state) for state in ("applied", "ignored", "parked")}
    _, reference = stack.reference()
    stack.send(approved("a-1", reference), line("a-2", reference), approved("a-3", "somebody-elses-1"))
    assert stack.work() == 3
    assert applied.keys == [reference]
    assert state_of(stack, "a-1") == ("APPLIED", 1, "")
    assert state_of(stack, "a-2") == ("IGNORED", 1, "")
    assert state_of(stack, "a-3") == ("PARKED", 1, "its reference names no payment of ours")
    assert {state: settled("acme", state) - count for state, count in before.items()} == {
        "applied": 1,
        "ignored": 1,
        "parked": 1,
    }
    applied.changes = False
    stack.send(approved("a-4", reference))
    stack.work()
    assert state_of(stack, "a-4") == ("APPLIED", 1, "nothing new")


def test_a_silent_psp_is_asked_again_and_again_and_then_an_operator_is(
    stack: WebhookStack, silence: None
) -> None:
    _, reference = stack.reference()
    stack.send(line("s-1", reference, b"ask"))
    waited = timedelta()
    for tries in range(1, TRIES_MAX):
        assert stack.work() == 1
        assert state_of(stack, "s-1")[:2] == ("PENDING", tries)
        wait = stack.row("s-1")["due_at"] - stack.clock.now()
        assert timedelta() <= wait <= min(timedelta(seconds=5 * 2 ** (tries - 1)), timedelta(hours=1))
        stack.clock.forward(seconds=wait.total_seconds() - 0.000001)
        assert stack.work() == 0
        stack.clock.forward(seconds=0.000001)
        waited += wait
    assert stack.work() == 1
    assert state_of(stack, "s-1")[:2] == ("PARKED", TRIES_MAX)
    assert timedelta(hours=6) < waited < timedelta(days=2)


def test_what_an_event_speaks_of_is_asked_through_the_gate_which_a_silent_psp_shuts(
    stack: WebhookStack, silence: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[object] = []
    gate = stack.core.ports.gate
    monkeypatch.setattr(gate, "leave", lambda endpoint, operation, answer: learned.append(answer))
    for event_id, content in (("t-1", b"ask"), ("t-2", b"nothing"), ("t-3", b"makes no sense")):
        stack.send(line(event_id, content=content))
        stack.work()
    assert [type(one) for one in learned] == [Unknown, type(None), type(None)]
    stack.acme.is_silent = False
    monkeypatch.setattr(gate, "enter", lambda endpoint, operation: "breaker_open")
    stack.send(line("t-4", content=b"ask"))
    stack.work()
    assert state_of(stack, "t-4")[0] == "PENDING"


def test_what_makes_no_sense_is_tried_three_times_and_told_without_quoting_it(stack: WebhookStack) -> None:
    stack.send(line("n-1", content=b"nonsense with a secret"))
    for _ in range(3):
        assert stack.work() == 1
        stack.clock.forward(hours=1)
    assert state_of(stack, "n-1") == ("PARKED", 3, "ValueError; the log says more")
    assert stack.work() == 0


def test_an_event_that_does_not_fit_is_parked_at_once_and_one_that_comes_too_early_waits(
    stack: WebhookStack, applied: Applied
) -> None:
    _, reference = stack.reference()
    stack.send(approved("f-1", reference))
    applied.failures = [PayFlowError(Reason.CONCURRENT_UPDATE, "in flight", retry_after_s=1.0)]
    stack.work()
    assert state_of(stack, "f-1") == ("PENDING", 1, "CONCURRENT_UPDATE: in flight")
    stack.clock.forward(seconds=5)
    applied.failures = [PayFlowError(Reason.VALIDATION_FAILED, "speaks of 5, not 7")]
    stack.work()
    assert state_of(stack, "f-1") == ("PARKED", 2, "VALIDATION_FAILED: speaks of 5, not 7")
    assert applied.keys == []


def test_an_event_of_a_connector_that_is_not_installed_here_waits_for_it(stack: WebhookStack) -> None:
    stack.account("gone", BOLT)
    stack.send(line("g-1"), account="gone")
    assert stack.worker(BOLT).due() == 1
    assert state_of(stack, "g-1") == ("PENDING", 1, "no connector bolt here")
    stack.clock.forward(seconds=5)
    assert stack.work() == 1
    assert state_of(stack, "g-1") == ("IGNORED", 2, "")


def test_nothing_of_a_payment_overtakes_what_came_before_it_and_others_do_not_wait(
    stack: WebhookStack, applied: Applied, silence: None
) -> None:
    (_, slow), (_, quick) = stack.reference(), stack.reference()
    stack.send(line("o-1", slow, b"ask"), approved("o-2", slow))
    stack.clock.forward(seconds=1)
    stack.send(approved("o-3", slow), approved("o-4", quick))
    assert stack.work() == 2
    assert applied.keys == [quick]
    stack.acme.is_silent = False
    stack.clock.forward(seconds=5)
    assert stack.work() == 3
    assert applied.keys == [quick, slow, slow]
    assert [state_of(stack, f"o-{number}")[0] for number in (1, 2, 3)] == ["IGNORED", "APPLIED", "APPLIED"]


def test_an_event_lets_those_pass_that_it_may_be_waiting_for(stack: WebhookStack, applied: Applied) -> None:
    _, reference = stack.reference()
    stack.send(approved("y-1", reference), approved("y-2", reference))
    applied.failures = [PayFlowError(Reason.CONCURRENT_UPDATE, "in flight", retry_after_s=1.0)]
    stack.work()
    assert state_of(stack, "y-1") == ("PENDING", 1, "CONCURRENT_UPDATE: in flight")
    assert state_of(stack, "y-2") == ("APPLIED", 1, "")
    stack.clock.forward(seconds=5)
    stack.send(approved("y-3", reference))
    assert [one.event_id for one in _taken(stack)] == ["y-1"], "what came first is first again when it is due"


def _taken(stack: WebhookStack) -> list[Webhook]:
    return WebhookQueue(stack.core.writes).take(stack.clock.now(), stack.core.lease, 10, FOREVER)


def test_workers_share_the_work_and_keep_each_payments_order(stack: WebhookStack, applied: Applied) -> None:
    intents = [stack.reference()[0] for _ in range(8)]
    told = [[f"{intent_id}-{number}" for intent_id in intents] for number in range(5)]
    for number, keys in enumerate(told):
        stack.send(*(approved(f"w-{number}-{position}", key) for position, key in enumerate(keys)))
        stack.clock.forward(seconds=1)
    together = threading.Barrier(3)

    def work() -> None:
        worker = stack.worker()
        together.wait(WAIT_S)
        wait_until(lambda: worker.due() == 0 and len(applied.keys) == sum(map(len, told)))

    with ThreadPoolExecutor(3) as threads:
        for finished in [threads.submit(work) for _ in range(3)]:
            finished.result()
    for intent_id in intents:
        assert [key for key in applied.keys if key.startswith(intent_id)] == [
            key for keys in told for key in keys if key.startswith(intent_id)
        ]
    assert {row["state"] for row in stack.rows()} == {"APPLIED"}
    assert {row["tries"] for row in stack.rows()} == {1}


def test_what_somebody_took_is_nobody_elses_until_the_lease_ends(stack: WebhookStack) -> None:
    queue, lease = WebhookQueue(stack.core.writes), stack.core.lease
    stack.send(line("l-1"))
    [taken] = queue.take(stack.clock.now(), lease, 10, FOREVER)
    assert queue.take(stack.clock.now(), lease, 10, FOREVER) == []
    stack.clock.forward(seconds=lease.total_seconds())
    [again] = queue.take(stack.clock.now(), lease, 10, FOREVER)
    assert (again.id, again.tries) == (taken.id, 2)
    parked = Settlement(WebhookState.PARKED, "too late")
    assert not queue.settle(taken, parked, stack.clock.now(), FOREVER)
    assert queue.settle(again, Settlement(WebhookState.IGNORED), stack.clock.now(), FOREVER)
    assert not queue.settle(again, parked, stack.clock.now(), FOREVER)
    assert state_of(stack, "l-1") == ("IGNORED", 2, "")


def test_an_event_that_ends_every_worker_is_parked_in_the_end(stack: WebhookStack) -> None:
    queue, lease = WebhookQueue(stack.core.writes), stack.core.lease
    stack.send(line("k-1"))
    for _ in range(TRIES_MAX):
        assert len(queue.take(stack.clock.now(), lease, 10, FOREVER)) == 1
        stack.clock.forward(seconds=lease.total_seconds())
    assert stack.work() == 1
    assert state_of(stack, "k-1") == ("PARKED", TRIES_MAX + 1, f"begun {TRIES_MAX} times and never ended")


def test_the_age_of_the_oldest_pending_event_is_measured(stack: WebhookStack) -> None:
    def age() -> float | None:
        stack.worker().measure()
        return REGISTRY.get_sample_value("payflow_webhook_oldest_pending_seconds")

    assert age() == 0
    stack.send(line("m-1"))
    stack.clock.forward(seconds=7)
    stack.send(line("m-2"))
    assert age() == 7
    stack.work()
    assert age() == 0


def test_what_was_settled_long_ago_is_deleted_and_nothing_that_is_open(stack: WebhookStack) -> None:
    stack.send(line("d-1"), line("d-2", content=b"nonsense"))
    while stack.work():
        stack.clock.forward(hours=1)
    assert [state_of(stack, f"d-{number}")[0] for number in (1, 2)] == ["IGNORED", "PARKED"]
    stack.send(line("d-3"))
    stack.clock.forward(seconds=KEPT_FOR.total_seconds())
    stack.send(line("d-4"))
    stack.work()
    assert delete_old(stack.core.writes, stack.clock.now(), FOREVER, batch_max=1) == 1
    assert delete_old(stack.core.writes, stack.clock.now(), FOREVER) == 0
    assert [row["event_id"] for row in stack.rows()] == ["d-2", "d-3", "d-4"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE webhook_inbox SET content = ''",
        "UPDATE webhook_inbox SET merchant_id = 'mine'",
        "DELETE FROM webhook_inbox",
        "TRUNCATE webhook_inbox",
    ],
)
def test_the_application_can_neither_change_an_event_nor_delete_an_open_one(
    stack: WebhookStack, statement: str
) -> None:
    stack.send(line("r-1"))
    with psycopg.connect(stack.database.application_url) as connection, pytest.raises(psycopg.Error) as no:
        connection.execute(statement.encode())
    assert no.value.sqlstate in ("42501", "PF001")
    assert state_of(stack, "r-1")[0] == "PENDING"
