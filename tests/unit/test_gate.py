"""The gate in one process, under a clock that stands where the test puts it."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from prometheus_client import REGISTRY

from payflow.domain.breaker.reducer import BreakerReducer
from payflow.domain.breaker.state import Breaker, BreakerRules, Seen, Verdict
from payflow.domain.declines import failure
from payflow.domain.endpoint import Endpoint
from payflow.domain.gcra import RateLimit
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
from payflow.psp import breaker_watch
from payflow.psp.breaker_watch import breaker_changed, key_of
from payflow.psp.gate import Gate, verdict_of
from payflow.store.redis.document_copy import Kind
from payflow.store.redis.rate_limiter import RateLimiter
from payflow.store.redis.shared_documents import SharedDocuments
from tests.turned_clock import TurnedClock

RULES = BreakerRules(failure_threshold=3, success_threshold=2, probe_timeout_s=20.0)
AUTHORIZE, CAPTURE = OperationType.AUTHORIZE, OperationType.CAPTURE
LOST, DONE = Unknown("time-out"), Approved("p")
NOT_SENT = NotExecuted(failure("psp_unreachable"))
OURS = NotExecuted(failure("psp_not_configured"))
_numbers = count(1)


class GateUnderTest(Gate):
    """A gate with breakers of its own and ``limit`` for every account."""

    def __init__(self, limit: RateLimit | None = None) -> None:
        self.clock = TurnedClock()
        self.endpoint = Endpoint("psp", f"ACCOUNT{next(_numbers)}")
        kind = Kind(Breaker, BreakerReducer(RULES, lambda: 0.0))
        ids = (f"probe-{number}" for number in count())
        super().__init__(
            SharedDocuments[Breaker, Seen](None, "breaker", kind, 60, breaker_changed),
            RULES,
            RateLimiter(None, lambda: round(self.clock.now().timestamp() * 1e6)),
            lambda _: limit,
            self.clock,
            lambda: next(ids),
        )

    def call(self, outcome: Outcome, operation: OperationType = AUTHORIZE) -> str:
        """One call, if it may be made."""
        code = self.enter(self.endpoint, operation)
        if not code:
            self.leave(self.endpoint, operation, outcome)
        return code

    def fail(self) -> None:
        """As many failures as it takes."""
        assert [self.call(LOST) for _ in range(RULES.failure_threshold)] == [""] * RULES.failure_threshold


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (DONE, Verdict.SUCCESS),
        (Accepted("p"), Verdict.SUCCESS),
        (ActionRequired("p", NextAction("redirect")), Verdict.SUCCESS),
        (Declined(failure("insufficient_funds")), Verdict.SUCCESS),
        (Declined(failure("acquirer_error")), Verdict.SUCCESS),
        (None, Verdict.SUCCESS),
        (LOST, Verdict.FAILURE),
        (Unknown("503", repeatable=True), Verdict.FAILURE),
        (NOT_SENT, Verdict.FAILURE),
        (NotExecuted(failure("psp_overloaded")), Verdict.FAILURE),
        (OURS, Verdict.NEITHER),
        (NotExecuted(failure("psp_key_shut_out")), Verdict.NEITHER),
        # The caller's own doing, whom another PSP may serve.
        (NotExecuted(failure("not_supported")), Verdict.NEITHER),
        (NotExecuted(failure("acquirer_error")), Verdict.NEITHER),
    ],
)
def test_what_each_outcome_says_of_the_psp(outcome: Outcome | None, verdict: Verdict) -> None:
    assert verdict_of(outcome) is verdict


def test_failures_close_the_gate_of_their_account_and_operation_alone() -> None:
    gate = GateUnderTest()
    assert gate.call(DONE) == ""
    gate.fail()
    assert not gate.admits(gate.endpoint, AUTHORIZE)
    assert gate.call(DONE) == "breaker_open"
    assert gate.admits(gate.endpoint, CAPTURE)
    assert gate.call(DONE, CAPTURE) == ""
    assert gate.admits(Endpoint("psp", "ANOTHER"), AUTHORIZE)


def test_however_many_ask_for_what_a_psp_does_not_support_others_are_let_through() -> None:
    gate = GateUnderTest()
    unsuitable = NotExecuted(failure("not_supported", "payment_method_unsupported_type"))
    assert [gate.call(unsuitable) for _ in range(2 * RULES.failure_threshold)] == [""] * 6
    assert gate.call(DONE) == ""


def test_after_its_time_out_it_lets_a_few_through_until_they_have_succeeded() -> None:
    gate = GateUnderTest()
    gate.fail()
    gate.clock.forward(seconds=RULES.timeout_s - 0.001)
    assert gate.call(DONE) == "breaker_open"
    gate.clock.forward(seconds=0.001)
    assert gate.admits(gate.endpoint, AUTHORIZE)
    assert [gate.enter(gate.endpoint, AUTHORIZE) for _ in range(3)] == ["", "", "breaker_open"]
    gate.leave(gate.endpoint, AUTHORIZE, DONE)
    assert gate.call(DONE) == "breaker_open"
    gate.leave(gate.endpoint, AUTHORIZE, DONE)
    assert [gate.call(DONE) for _ in range(5)] == [""] * 5


def test_a_probe_that_says_nothing_of_the_psp_gives_its_permit_back() -> None:
    gate = GateUnderTest()
    gate.fail()
    gate.clock.forward(seconds=RULES.timeout_s)
    assert [gate.call(OURS) for _ in range(5)] == [""] * 5
    assert gate.call(LOST) == ""
    assert gate.call(DONE) == "breaker_open"


def test_a_probe_that_is_never_heard_of_gives_its_permit_back_after_a_while() -> None:
    gate = GateUnderTest()
    gate.fail()
    gate.clock.forward(seconds=RULES.timeout_s)
    assert [gate.enter(gate.endpoint, AUTHORIZE) for _ in range(3)] == ["", "", "breaker_open"]
    gate.clock.forward(seconds=RULES.probe_timeout_s)
    assert [gate.call(DONE) for _ in range(5)] == [""] * 5


def test_calls_that_began_before_it_opened_neither_close_it_nor_keep_it_open() -> None:
    gate = GateUnderTest()
    for _ in range(4):
        assert gate.enter(gate.endpoint, AUTHORIZE) == ""
    gate.fail()
    gate.leave(gate.endpoint, AUTHORIZE, DONE)
    assert gate.call(DONE) == "breaker_open"
    gate.clock.forward(seconds=RULES.timeout_s)
    gate.leave(gate.endpoint, AUTHORIZE, LOST)
    assert gate.call(DONE) == ""


def test_an_account_is_called_no_more_often_than_its_limit() -> None:
    gate = GateUnderTest(RateLimit(2, 60))
    assert [gate.call(DONE), gate.call(DONE, CAPTURE)] == ["", ""]
    assert gate.admits(gate.endpoint, AUTHORIZE)  # nobody was refused yet
    assert gate.call(DONE) == "psp_overloaded"
    assert not gate.admits(gate.endpoint, AUTHORIZE)
    assert gate.enter(Endpoint("psp", "ANOTHER"), AUTHORIZE) == ""
    gate.clock.forward(seconds=30)
    assert gate.admits(gate.endpoint, AUTHORIZE)
    assert [gate.call(DONE), gate.call(DONE)] == ["", "psp_overloaded"]


def test_an_open_breaker_uses_up_none_of_the_limit() -> None:
    gate = GateUnderTest(RateLimit(5, 3600))
    gate.fail()
    assert [gate.call(DONE) for _ in range(10)] == ["breaker_open"] * 10
    assert [gate.call(DONE, CAPTURE) for _ in range(3)] == ["", "", "psp_overloaded"]


def test_a_call_that_began_before_it_opened_does_not_count_as_its_probe() -> None:
    gate = GateUnderTest()
    with ThreadPoolExecutor(1) as early:
        assert early.submit(gate.enter, gate.endpoint, AUTHORIZE).result() == ""
        gate.fail()
        gate.clock.forward(seconds=RULES.timeout_s)
        assert gate.enter(gate.endpoint, AUTHORIZE) == ""
        early.submit(gate.leave, gate.endpoint, AUTHORIZE, LOST).result()
    assert gate.admits(gate.endpoint, AUTHORIZE)
    gate.leave(gate.endpoint, AUTHORIZE, None)
    assert gate.call(DONE) == ""
    assert [gate.call(DONE) for _ in range(RULES.success_threshold + 1)] == [""] * 3


def test_a_psp_that_answers_past_the_gate_is_tried_at_once_and_cautiously() -> None:
    gate = GateUnderTest()
    gate.fail()
    gate.answered(Endpoint("psp", "ANOTHER"))
    assert gate.call(DONE) == "breaker_open"
    gate.answered(gate.endpoint)
    assert [gate.enter(gate.endpoint, AUTHORIZE) for _ in range(3)] == ["", "", "breaker_open"]
    gate.answered(gate.endpoint)
    assert gate.call(DONE) == "breaker_open"
    gate.leave(gate.endpoint, AUTHORIZE, LOST)
    assert gate.call(DONE) == "breaker_open"


def measured(name: str, gate: GateUnderTest, **labels: str) -> float | None:
    account = {"connector": "psp", "credential_ref": gate.endpoint.credential_ref, "operation": "AUTHORIZE"}
    return REGISTRY.get_sample_value(f"payflow_psp_{name}", account | labels)


def test_each_change_is_logged_once_with_its_reason_and_measured(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    gate = GateUnderTest()
    gate.fail()
    assert measured("breaker_state", gate) == 2
    assert [gate.call(DONE), gate.call(DONE)] == ["breaker_open"] * 2
    gate.clock.forward(seconds=RULES.timeout_s)
    assert gate.enter(gate.endpoint, AUTHORIZE) == ""
    assert measured("breaker_state", gate) == 1
    gate.leave(gate.endpoint, AUTHORIZE, DONE)
    gate.call(DONE)
    assert measured("breaker_state", gate) == 0
    assert [record.getMessage().removeprefix("breaker of psp AUTHORIZE: ") for record in caplog.records] == [
        "closed -> open, because 3 calls failed in a row",
        "open -> half_open, because it was open for 60 s",
        "half_open -> closed, because 2 probes succeeded",
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "INFO"]
    assert measured("breaker_changes_total", gate, to="open") == 1
    assert measured("calls_refused_total", gate, code="breaker_open") == 2


def test_what_others_changed_is_measured_but_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    gate, opened = GateUnderTest(), BreakerReducer(RULES, lambda: 0.0)
    after = opened.fold(Breaker(), [Seen(1, Verdict.FAILURE, number=one) for one in range(3)])
    breaker_changed(key_of(gate.endpoint, AUTHORIZE), Breaker(), after, False)
    assert measured("breaker_state", gate) == 2
    assert measured("breaker_changes_total", gate, to="open") is None
    assert not caplog.records


def test_what_is_measured_does_not_grow_with_the_number_of_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker_watch, "_labelled", {("psp", "KNOWN")})
    monkeypatch.setattr(breaker_watch, "LABELLED_MAX", 2)
    for credential_ref in ("KNOWN", "NEW", "LATE", "LATER"):
        breaker_watch.call_refused(Endpoint("psp", credential_ref), CAPTURE, "breaker_open")
    labels = {"connector": "psp", "operation": "CAPTURE", "code": "breaker_open"}
    counted = {
        credential_ref: REGISTRY.get_sample_value(
            "payflow_psp_calls_refused_total", labels | {"credential_ref": credential_ref}
        )
        for credential_ref in ("KNOWN", "NEW", "LATE", "(others)")
    }
    assert counted == {"KNOWN": 1, "NEW": 1, "LATE": None, "(others)": 2}
