"""Two that would finish the same PSP call: only who holds the fence does, and it happens once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import grpc
import pytest

from payflow.commands.authorize_payment_intent import authorize_payment_intent
from payflow.commands.call import Call, commit
from payflow.commands.ports import Ports
from payflow.domain.folding.submission import Origin, Result, Submission
from payflow.domain.intent.commands import ResumeAttempt, StartAuthorize
from payflow.domain.intent.status import IntentStatus
from payflow.domain.psp_outcome import Failure, NotExecuted, Outcome, Unknown
from payflow.domain.resources import PaymentIntentView
from payflow.psp.connector import PspCall
from payflow.store.payments.due_reader import DueAttempt, DueReader
from payflow.v1 import payment_intent_pb2 as pb
from server.wiring import Core
from server.worker.recovery import Recovery
from tests.audit import attempts_of, effects_by_intent, events_of
from tests.books import assert_books_right, assert_psp_agrees, open_attempts
from tests.databases import Database
from tests.in_process import LEASE_S, InProcess, WatchedConnector, in_process
from tests.payments import ApiError
from tests.waiting import WAIT_S, wait_until

FLOWS = 12
FOREVER = float("inf")
NOTHING_HAPPENED = NotExecuted(Failure("psp_unreachable", "nothing was executed"))
FINISHED_ONCE = [
    "payment_intent.created",
    "payment_intent.routed",
    "payment_intent.operation_started",
    "attempt.resumed",
    "payment_intent.authorized",
]


@pytest.fixture
def payflow(new_database: Callable[[], Database], tmp_path: Path) -> Iterator[InProcess]:
    with in_process(new_database(), tmp_path) as running:
        yield running


class MeetingReader(DueReader):
    """Hands out what is due only when everybody has read the same."""

    def __init__(self, core: Core, all_have_read: threading.Barrier) -> None:
        super().__init__(core.pool)
        self._all_have_read = all_have_read

    def attempts(self, now: datetime, limit: int, deadline: float) -> list[DueAttempt]:
        """The same attempts for all."""
        found = super().attempts(now, limit, deadline)
        self._all_have_read.wait(WAIT_S)
        return found


def test_recoveries_that_race_resolve_each_attempt_once(payflow: InProcess) -> None:
    intent_ids = [payflow.caller.create().id for _ in range(FLOWS)]
    with ThreadPoolExecutor(FLOWS) as executor:
        answers = list(executor.map(lambda one: payflow.caller.authorize(one, "pm_card_timeout"), intent_ids))
    assert {answer.status for answer in answers} == {pb.PAYMENT_INTENT_STATUS_PROCESSING}

    payflow.clock.forward(seconds=5)
    everybody_has_read = threading.Barrier(2)
    with payflow.another(_counted(payflow)) as first, payflow.another(_counted(payflow)) as second:
        recoveries = [
            Recovery(core.ports, MeetingReader(core, everybody_has_read)) for core in (first, second)
        ]
        with ThreadPoolExecutor(2) as executor:
            found = list(executor.map(lambda recovery: recovery.attempts(), recoveries))

    assert found == [FLOWS, FLOWS]
    assert len(payflow.connector.looked_up) == FLOWS
    for intent_id in intent_ids:
        events = events_of(payflow.url, intent_id)
        assert events == [*FINISHED_ONCE[:3], "attempt.outcome_unknown", *FINISHED_ONCE[3:]]
        assert effects_by_intent(payflow.simulator)[intent_id] == [("authorize", 10_000)]
    assert_books_right(payflow.url)
    assert_psp_agrees(payflow.url, payflow.simulator)


def _counted(payflow: InProcess) -> Callable[[Ports], Ports]:
    """Look-ups of every process are counted in one place."""
    return lambda ports: replace(ports, connectors={payflow.connector.name: payflow.connector})


@pytest.mark.parametrize(
    "told", [None, NOTHING_HAPPENED, Unknown("late")], ids=["truth", "nothing", "unknown"]
)
@pytest.mark.parametrize("taken_over_by", ["duplicate", "recovery"])
def test_an_outcome_under_a_stale_fence_changes_nothing(
    payflow: InProcess, told: Outcome | None, taken_over_by: str
) -> None:
    intent_id = payflow.caller.create().id
    with payflow.slow_caller(told) as (slow_caller, psp), ThreadPoolExecutor(1) as executor:
        slow_answer = executor.submit(slow_caller.authorize, intent_id, "pm_card_visa", "authorize-1")
        assert psp.arrived.wait(WAIT_S)
        _assert_in_use(payflow, intent_id)
        payflow.clock.forward(seconds=LEASE_S - 0.001)
        _assert_in_use(payflow, intent_id)
        assert payflow.recovery.attempts() == 0

        payflow.clock.forward(seconds=0.001)
        if taken_over_by == "duplicate":
            taken = payflow.caller.authorize(intent_id, "pm_card_visa", "authorize-1")
            assert taken.status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED
        else:
            assert payflow.recovery.attempts() == 1
        assert events_of(payflow.url, intent_id) == FINISHED_ONCE
        assert payflow.caller.capture(intent_id).captured_amount == 10_000
        before = events_of(payflow.url, intent_id)

        assert not slow_answer.done()
        psp.release.set()
        # Whoever was overtaken answers what is true now.
        assert slow_answer.result(WAIT_S).status == pb.PAYMENT_INTENT_STATUS_CAPTURED

    assert events_of(payflow.url, intent_id) == before
    assert [one["fence"] for one in attempts_of(payflow.url, intent_id)] == [2, 1]
    replayed = payflow.caller.authorize(intent_id, "pm_card_visa", "authorize-1")
    assert replayed.status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED
    assert effects_by_intent(payflow.simulator) == {intent_id: [("authorize", 10_000), ("capture", 10_000)]}
    assert_books_right(payflow.url)
    assert_psp_agrees(payflow.url, payflow.simulator)


def test_a_stale_outcome_between_takeover_and_its_outcome_changes_nothing(payflow: InProcess) -> None:
    intent_id = payflow.caller.create().id
    with (
        payflow.slow_caller(NOTHING_HAPPENED) as (slow_caller, psp),
        payflow.another() as other,
        ThreadPoolExecutor(2) as executor,
    ):
        slow_answer = executor.submit(slow_caller.authorize, intent_id, "pm_card_visa", "authorize-1")
        assert psp.arrived.wait(WAIT_S)
        payflow.clock.forward(seconds=LEASE_S)
        with payflow.simulator.paused():
            recovered = executor.submit(Recovery(other.ports, other.due).attempts)
            wait_until(lambda: "attempt.resumed" in events_of(payflow.url, intent_id))
            psp.release.set()
            assert slow_answer.result(WAIT_S).status == pb.PAYMENT_INTENT_STATUS_PROCESSING
            assert (recovered.done(), open_attempts(payflow.url)) == (False, 1)
        assert recovered.result(WAIT_S) == 1
    assert events_of(payflow.url, intent_id) == FINISHED_ONCE
    assert_books_right(payflow.url)
    assert_psp_agrees(payflow.url, payflow.simulator)


class DefectiveConnector(WatchedConnector):
    """Breaks its promise never to raise."""

    def look_up(self, call: PspCall) -> Outcome | None:
        """Raises."""
        raise RuntimeError("gone")


def test_a_connector_that_raises_has_not_answered(payflow: InProcess) -> None:
    intent_id = payflow.caller.create().id
    payflow.caller.authorize(intent_id, "pm_card_timeout")
    payflow.clock.forward(seconds=5)
    defective = DefectiveConnector(payflow.connector.inner, payflow.clock)
    with payflow.another(lambda ports: replace(ports, connectors={defective.name: defective})) as core:
        assert Recovery(core.ports, core.due).attempts() == 1
    [attempt] = attempts_of(payflow.url, intent_id)
    assert (attempt["state"], attempt["checks"]) == ("UNKNOWN", 2)
    payflow.clock.forward(seconds=30)
    assert payflow.recovery.attempts() == 1
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED


def test_a_recovery_that_dies_is_itself_recovered_after_its_lease(payflow: InProcess) -> None:
    intent_id = payflow.caller.create().id
    payflow.caller.authorize(intent_id, "pm_card_timeout")
    payflow.clock.forward(seconds=5)
    _take_over_and_die(payflow, intent_id)
    payflow.clock.forward(seconds=LEASE_S - 0.001)
    assert payflow.recovery.attempts() == 0
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_PROCESSING
    payflow.clock.forward(seconds=0.001)
    assert payflow.recovery.attempts() == 1
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED
    assert [one["fence"] for one in attempts_of(payflow.url, intent_id)] == [3]
    assert_books_right(payflow.url)
    assert_psp_agrees(payflow.url, payflow.simulator)


def test_an_attempt_that_ends_everyone_who_takes_it_is_parked(payflow: InProcess) -> None:
    intent_id = payflow.caller.create().id
    payflow.caller.authorize(intent_id, "pm_card_timeout")
    taken = 0
    while attempts_of(payflow.url, intent_id)[0]["state"] != "PARKED":
        payflow.clock.forward(days=2)
        _take_over_and_die(payflow, intent_id)
        taken += 1
        assert taken < 20
    assert taken > 5
    assert open_attempts(payflow.url) == 1
    payflow.clock.forward(days=2)
    assert payflow.recovery.attempts() == 0


def test_who_slept_past_the_lease_makes_no_call(payflow: InProcess) -> None:
    """Else it could execute again, once the PSP has forgotten the key."""
    intent_id = payflow.caller.create(capture_method="CAPTURE_METHOD_AUTOMATIC").id

    class Sleeper:
        """Sleeps behind the first commit; meanwhile others finish, and the PSP forgets."""

        def commit(self, submission: Submission, deadline: float | None, *, always: bool = False) -> Result:
            result = payflow.core.ports.pipeline.commit(submission, deadline, always=always)
            if isinstance(submission.command, StartAuthorize):
                payflow.clock.forward(seconds=LEASE_S)
                assert payflow.recovery.attempts() == 1
                payflow.simulator.behave(clock_offset_s=2 * 86_400)
            return result

    with payflow.another(lambda ports: replace(ports, pipeline=Sleeper())) as core:
        call = Call(Origin("test", "sleeper"), None)
        view = core.ports.payments.payment_intent("merchant_test", intent_id, FOREVER)
        assert view is not None
        answer = authorize_payment_intent(core.ports, call, view, "")
    assert isinstance(answer.resource, PaymentIntentView)
    assert answer.resource.intent.status is IntentStatus.CAPTURED
    assert effects_by_intent(payflow.simulator) == {intent_id: [("sale", 10_000)]}
    assert_psp_agrees(payflow.url, payflow.simulator)


def _take_over_and_die(payflow: InProcess, intent_id: str) -> None:
    [attempt] = attempts_of(payflow.url, intent_id)
    command = ResumeAttempt("merchant_test", intent_id, attempt["id"], attempt["fence"])
    commit(payflow.core.ports, Call(Origin("worker:recovery", "dies"), None), lambda _: command)


def _assert_in_use(payflow: InProcess, intent_id: str) -> None:
    with pytest.raises(ApiError) as raised:
        payflow.caller.authorize(intent_id, "pm_card_visa", "authorize-1")
    assert (raised.value.code, raised.value.reason) == (grpc.StatusCode.ABORTED, "IDEMPOTENCY_KEY_IN_USE")
    assert raised.value.retry_after_s is not None and 0 < raised.value.retry_after_s <= 1
