"""How often a PSP is asked within one call, and what that proves."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from payflow.commands.ports import Ports
from payflow.commands.psp_calling import REPEATING_CHECKS, TRIES_IN_CALL_MAX, call_psp, resolve
from payflow.domain import declines
from payflow.domain.endpoint import Endpoint
from payflow.domain.folding.submission import DueCall
from payflow.domain.intent.commands import StartAuthorize, StartCancel
from payflow.domain.intent.waiting import CHECK_SCHEDULE
from payflow.domain.merchant.decide import SIMULATOR
from payflow.domain.psp_capabilities import Capabilities
from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    NextAction,
    NotExecuted,
    OperationType,
    Outcome,
    Unknown,
)
from payflow.psp.connector import Connector, PspCall
from tests.core import SECOND, START, Core
from tests.noticed_payment import Payment

TIMED_OUT = Unknown("timed out")
RESET = Unknown("reset", repeatable=True)
UNREACHABLE = NotExecuted(declines.failure("psp_unreachable"))
REFUSED = NotExecuted(declines.failure("psp_refused_request"))
DECLINED = Declined(declines.failure("card_declined"))
APPROVED = Approved("psp-1")
LONG_S = 600.0


@dataclass
class Gate:
    """Lets in as long as ``code`` is empty; counts who went in and came out."""

    code: str = ""
    inside: int = 0
    answers: list[Outcome | None] = field(default_factory=list)

    def enter(self, endpoint: Endpoint, operation: OperationType) -> str:
        self.inside += not self.code
        return self.code

    def leave(self, endpoint: Endpoint, operation: OperationType, answer: Outcome | None) -> None:
        self.inside -= 1
        self.answers.append(answer)


@dataclass
class Psp:
    """Answers from a script, the last of it again and again."""

    script: list[Outcome]
    found: Outcome | None = None
    shut_out: Outcome = TIMED_OUT
    looks_up: bool = True
    timeout_s: float = 1.0
    keys: list[str] = field(default_factory=list)
    awaited_payer: list[bool] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(key_window_s=86_400, looks_up=self.looks_up)

    def execute(self, call: PspCall) -> Outcome:
        self.keys.append(call.psp_key)
        self.awaited_payer.append(call.awaits_payer)
        return self.script[min(len(self.keys), len(self.script)) - 1]

    def look_up(self, call: PspCall) -> Outcome | None:
        self.asked.append("look up")
        return self.found

    def cancel_by_reference(self, call: PspCall) -> Outcome:
        self.asked.append("shut out")
        return self.shut_out


@dataclass
class Bench:
    gate: Gate = field(default_factory=Gate)
    now: datetime = START
    pauses: list[float] = field(default_factory=list)
    learned: list[Outcome] = field(default_factory=list)

    @property
    def ports(self) -> Ports:
        def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        fake = SimpleNamespace(
            gate=self.gate,
            clock=SimpleNamespace(now=lambda: self.now),
            jitter=random.Random(7),
            sleep=sleep,
            learn=lambda account, outcome, elapsed_s: self.learned.append(outcome),
        )
        return cast("Ports", fake)

    def call(self, psp: Psp, due: DueCall, patience_s: float | None = LONG_S) -> Outcome:
        deadline = None if patience_s is None else time.monotonic() + patience_s
        return call_psp(self.ports, cast("Connector", psp), due, deadline)

    def resolve(self, psp: Psp, due: DueCall) -> Outcome:
        return resolve(self.ports, cast("Connector", psp), due)


def due_call(fallbacks: tuple[str, ...] = (), **attempt: Any) -> DueCall:
    """The call of an authorization whose lease ends after LONG_S."""
    core = Core("calling")
    core.add_merchant("shop")
    core.fold(core.creation("shop", 1_000))
    [(scoped, _)] = core.working.intents.items()
    due = core.apply(StartAuthorize(*scoped, SIMULATOR, fallbacks=fallbacks)).psp_call
    assert due is not None
    held = replace(due.attempt, due_at=START + timedelta(seconds=LONG_S), **attempt)
    return replace(due, attempt=held)


def test_a_psp_hears_whether_the_payment_that_it_cancels_was_never_authorized() -> None:
    challenge = ActionRequired("psp-1", NextAction("redirect_to_url", "https://bank.example/"))
    for authorized, awaits_payer in ((challenge, True), (APPROVED, False)):
        bench, psp, payment = Bench(), Psp([APPROVED]), Payment()
        payment.authorize(authorized)
        due = payment.core.apply(StartCancel(*payment.scoped)).psp_call
        assert due is not None
        stray = replace(due, attempt=replace(due.attempt, id="att_undoing", undoes="att_stray"))
        for one in (due, stray):
            bench.call(psp, one)
        assert psp.awaited_payer == [awaits_payer, False]


@pytest.mark.parametrize("final", [APPROVED, DECLINED, TIMED_OUT, REFUSED], ids=str)
def test_an_answer_a_time_out_and_a_refusal_are_not_asked_for_twice(final: Outcome) -> None:
    bench, psp = Bench(), Psp([final])
    assert bench.call(psp, due_call()) == final
    assert len(psp.keys) == 1
    assert bench.pauses == []


def test_what_fails_quickly_is_repeated_with_the_same_key_and_growing_patience() -> None:
    bench, psp = Bench(), Psp([RESET, RESET, APPROVED])
    due = due_call()
    assert bench.call(psp, due) == APPROVED
    assert psp.keys == [due.attempt.psp_key] * 3
    assert [0 <= pause <= 0.1 * 2**tries for tries, pause in enumerate(bench.pauses)] == [True, True]


def test_repeats_are_bounded() -> None:
    bench, psp = Bench(), Psp([RESET])
    assert bench.call(psp, due_call()) == RESET
    assert len(psp.keys) == TRIES_IN_CALL_MAX


def test_a_repeat_that_was_not_sent_proves_nothing_of_the_call_before_it() -> None:
    bench, psp = Bench(), Psp([RESET, UNREACHABLE])
    assert isinstance(bench.call(psp, due_call()), Unknown)
    bench, psp = Bench(), Psp([RESET, REFUSED])
    assert isinstance(bench.call(psp, due_call()), Unknown)


def test_a_psp_that_cannot_be_reached_is_tried_again_unless_another_one_can_be() -> None:
    alone = Psp([UNREACHABLE, APPROVED])
    assert Bench().call(alone, due_call()) == APPROVED
    first_of_two = Psp([UNREACHABLE, APPROVED])
    assert Bench().call(first_of_two, due_call((SECOND,))) == UNREACHABLE
    assert len(first_of_two.keys) == 1


@pytest.mark.parametrize("code", ["not_supported", "psp_refused_request", "psp_not_configured"])
def test_what_would_be_refused_again_is_not_sent_again(code: str) -> None:
    psp = Psp([NotExecuted(declines.failure(code))])
    Bench().call(psp, due_call())
    assert len(psp.keys) == 1


@pytest.mark.parametrize("patience_s", [None, 0.0], ids=["nobody waits", "time is up"])
def test_nothing_is_repeated_for_nobody(patience_s: float | None) -> None:
    psp = Psp([RESET])
    Bench().call(psp, due_call(), patience_s)
    assert len(psp.keys) == 1


def test_nothing_is_repeated_that_could_outlast_its_lease() -> None:
    psp = Psp([RESET], timeout_s=LONG_S)
    Bench().call(psp, due_call())
    assert len(psp.keys) == 1


def test_nothing_is_called_behind_the_end_of_its_lease() -> None:
    psp = Psp([APPROVED])
    assert isinstance(Bench(now=START + timedelta(seconds=LONG_S)).call(psp, due_call()), Unknown)
    assert psp.keys == []


def test_a_shut_gate_is_proof_and_costs_no_call() -> None:
    bench, psp = Bench(Gate("breaker_open")), Psp([APPROVED])
    outcome = bench.call(psp, due_call())
    assert isinstance(outcome, NotExecuted) and outcome.failure.code == "breaker_open"
    assert (psp.keys, bench.gate.answers) == ([], [])


def test_whoever_enters_the_gate_leaves_it_even_where_a_connector_breaks() -> None:
    bench = Bench()
    broken = SimpleNamespace(execute=lambda call: 1 / 0, timeout_s=1.0)
    with pytest.raises(ZeroDivisionError):
        call_psp(bench.ports, cast("Connector", broken), due_call(), None)
    [answer] = bench.gate.answers
    assert isinstance(answer, Unknown)
    assert bench.gate.inside == 0


def test_a_payment_teaches_once_however_often_it_was_tried() -> None:
    bench = Bench()
    bench.call(Psp([RESET, RESET, APPROVED]), due_call())
    bench.call(Psp([UNREACHABLE, DECLINED]), due_call())
    assert bench.learned == [APPROVED, DECLINED]


def test_what_was_not_sent_and_what_is_no_authorization_teaches_nothing() -> None:
    shut = Bench(Gate("breaker_open"))
    shut.call(Psp([APPROVED]), due_call())
    bench = Bench()
    bench.call(Psp([APPROVED]), due_call(operation=OperationType.CAPTURE))
    bench.resolve(Psp([APPROVED]), due_call(checks=1))
    assert shut.learned == bench.learned == []


def test_a_check_finishes_what_the_psp_never_saw_and_shuts_it_out_when_it_has_tried_enough() -> None:
    fresh = Psp([APPROVED])
    assert Bench().resolve(fresh, due_call(checks=REPEATING_CHECKS)) == APPROVED
    tried = Psp([APPROVED], shut_out=REFUSED)
    assert Bench().resolve(tried, due_call(checks=REPEATING_CHECKS + 1)) == REFUSED
    assert (tried.keys, tried.asked) == ([], ["look up", "shut out"])


def test_a_check_repeats_nothing_that_the_psp_may_have_forgotten() -> None:
    psp = Psp([APPROVED], shut_out=REFUSED)
    late = Bench(now=START + timedelta(seconds=86_400))
    assert late.resolve(psp, due_call(checks=1)) == REFUSED
    assert psp.keys == []


def test_where_a_psp_cannot_be_asked_the_same_key_asks() -> None:
    psp = Psp([APPROVED], looks_up=False)
    due = due_call(checks=1)
    assert Bench().resolve(psp, due) == APPROVED
    assert (psp.keys, psp.asked) == ([due.attempt.psp_key], [])


@pytest.mark.parametrize(
    ("call", "repeats"),
    [
        ({"checks": len(CHECK_SCHEDULE) - 1}, 1),
        ({"checks": len(CHECK_SCHEDULE)}, 0),
        ({"checks": len(CHECK_SCHEDULE), "operation": OperationType.CAPTURE, "psp_payment_id": "psp-1"}, 1),
        ({"checks": len(CHECK_SCHEDULE), "psp_payment_id": "psp-1"}, 1),
    ],
    ids=["before the last check", "the last check", "a capture", "an authorization that goes on"],
)
def test_where_only_a_repeat_asks_it_asks_until_something_else_can_be_done(
    call: dict[str, Any], repeats: int
) -> None:
    psp = Psp([TIMED_OUT], looks_up=False, shut_out=Accepted("cancel-1"))
    Bench().resolve(psp, due_call(**call))
    assert len(psp.keys) == repeats
    assert psp.asked == ["shut out"] * (not repeats)


def test_what_undoes_a_stray_payment_and_was_never_seen_is_sent_however_late_it_is() -> None:
    late = Bench(now=START + timedelta(seconds=86_400))
    due = due_call(checks=1, undoes="att_stray")
    due = replace(due, attempt=replace(due.attempt, due_at=late.now + timedelta(seconds=LONG_S)))
    assert late.resolve(Psp([APPROVED]), due) == APPROVED
    forgetful = Psp([APPROVED], looks_up=False)
    assert isinstance(late.resolve(forgetful, due), Unknown)
    assert forgetful.keys == []


def test_a_cancellation_that_the_psp_takes_in_is_told_from_the_operation_itself() -> None:
    psp = Psp([], looks_up=False, shut_out=Accepted("cancel-1"))
    due = due_call(checks=len(CHECK_SCHEDULE))
    assert Bench().resolve(psp, due) == Accepted("cancel-1", shuts_out=True)


@pytest.mark.parametrize("looks_up", [True, False])
def test_what_a_psp_has_taken_in_is_neither_repeated_nor_shut_out(looks_up: bool) -> None:
    psp = Psp([APPROVED], looks_up=looks_up, shut_out=REFUSED)
    for checks in range(len(CHECK_SCHEDULE) + 1):
        assert isinstance(Bench().resolve(psp, due_call(checks=checks, psp_reference="ref")), Unknown)
    assert psp.keys == []
    assert set(psp.asked) <= {"look up"}


def test_what_undoes_a_stray_payment_is_never_shut_out() -> None:
    psp = Psp([TIMED_OUT], shut_out=REFUSED)
    due = due_call(checks=len(CHECK_SCHEDULE), undoes="att_stray")
    assert Bench().resolve(psp, due) == TIMED_OUT
    assert "shut out" not in psp.asked


@pytest.mark.parametrize("code", ["breaker_open", "psp_overloaded"])
def test_a_shut_gate_leaves_a_check_for_later_without_using_it_up(code: str) -> None:
    for found in (None, APPROVED):
        outcome = Bench(Gate(code)).resolve(Psp([APPROVED], found), due_call(checks=1))
        assert isinstance(outcome, Unknown) and not outcome.asked
