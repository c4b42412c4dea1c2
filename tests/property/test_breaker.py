"""The breaker beside a model that counts everything anew, under whatever may happen to a PSP."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from payflow.domain.breaker.admission import SECOND_US, admit, admits, try_again
from payflow.domain.breaker.observing import observe
from payflow.domain.breaker.reducer import BreakerReducer
from payflow.domain.breaker.state import (
    WINDOW_SLICES,
    Breaker,
    BreakerRules,
    Phase,
    Probe,
    Seen,
    Slice,
    Verdict,
)
from tests.breaker_model import BreakerModel

START_US = 1_700_000_000 * SECOND_US
RULES = st.builds(
    BreakerRules,
    failure_threshold=st.integers(1, 6),
    success_threshold=st.integers(1, 3),
    timeout_s=st.sampled_from([5.0, 60.0]),
    window_s=st.sampled_from([10.0, 30.0]),
    failure_rate_percent=st.sampled_from([30, 50, 100]),
    calls_min=st.integers(3, 8),
    probe_timeout_s=st.just(20.0),
)
VERDICTS = st.sampled_from(Verdict)
reached: Counter[str] = Counter()


class BreakerMachine(RuleBasedStateMachine):
    """One process, whose clock is right."""

    @initialize(limits=RULES, half_open=st.booleans(), reports=st.lists(VERDICTS, max_size=2))
    def start(self, limits: BreakerRules, half_open: bool, reports: list[Verdict]) -> None:
        self.limits = limits
        self.breaker = Breaker()
        self.model = BreakerModel(limits)
        self.now_us = START_US
        self.numbers = count()
        self.out: list[str] = []
        if half_open:
            self.the_psp_is_down_and_its_time_out_passes()
            self.calls_want_through(limits.success_threshold)
            for verdict in reports:
                self.a_probe_reports(verdict, 0)

    @rule(tenths=st.integers(1, 100))
    def time_passes(self, tenths: int) -> None:
        self.now_us += tenths * SECOND_US // 10

    @rule(which=st.sampled_from(["timeout_s", "window_s", "probe_timeout_s"]), tenths=st.integers(-3, 3))
    def a_time_limit_passes_or_nearly(self, which: str, tenths: int) -> None:
        self.now_us += round((getattr(self.limits, which) + tenths / 10) * SECOND_US)

    @rule()
    def the_psp_is_down_and_its_time_out_passes(self) -> None:
        for _ in range(self.limits.failure_threshold):
            self.ends(Verdict.FAILURE, "")
        self.now_us += round(self.limits.timeout_s * SECOND_US)

    @rule(probes=st.integers(1, 5))
    def calls_want_through(self, probes: int) -> None:
        for _ in range(probes):
            self.a_call_wants_through()

    @rule(verdict=VERDICTS)
    def a_call_ends_that_needed_no_permit(self, verdict: Verdict) -> None:
        self.ends(verdict, "")

    @rule()
    def a_call_wants_through(self) -> None:
        probe = f"probe-{next(self.numbers)}"
        expected = admits(self.breaker, self.limits, self.now_us)
        admitted = admit(self.breaker, self.limits, self.now_us, probe)
        assert (admitted is not None) == expected == self.model.admit(self.now_us, probe)
        if admitted is not None:
            self.breaker = admitted
            if self.breaker.phase is Phase.HALF_OPEN:
                self.out.append(probe)

    @rule(verdict=VERDICTS, which=st.integers(0, 5))
    def a_probe_reports(self, verdict: Verdict, which: int) -> None:
        if self.out:
            self.ends(verdict, self.out.pop(which % len(self.out)))

    @rule()
    def the_psp_answers_past_the_gate(self) -> None:
        self.breaker = try_again(self.breaker) or self.breaker
        self.model.tried_again = True

    @rule()
    def the_psp_is_back_and_answers_all_probes(self) -> None:
        while self.out:
            self.ends(Verdict.SUCCESS, self.out.pop())

    def ends(self, verdict: Verdict, probe: str) -> None:
        self.breaker = observe(self.breaker, self.limits, [Seen(self.now_us, verdict, probe)], 0.0)
        self.model.end(self.now_us, verdict, probe)

    @invariant()
    def it_is_in_the_phase_that_it_should_be_in(self) -> None:
        if hasattr(self, "model"):
            assert self.breaker.phase is self.model.phase
            if self.breaker.phase is Phase.OPEN:
                assert self.breaker.open_for_s == self.model.open_for_s()
            reached[self.breaker.phase] += 1
            reached[self.breaker.reason.partition(" ")[2]] += 1

    @invariant()
    def no_more_probes_are_out_than_are_needed(self) -> None:
        if hasattr(self, "model") and self.breaker.phase is Phase.HALF_OPEN:
            live = self.model.live(self.now_us)
            assert len(live) + self.model.succeeded <= self.limits.success_threshold

    @invariant()
    def it_is_the_same_behind_the_wire(self) -> None:
        if hasattr(self, "breaker"):
            assert msgspec.json.decode(msgspec.json.encode(self.breaker), type=Breaker) == self.breaker

    def teardown(self) -> None:
        """Wherever it has got to, it can be closed by as many probes as it takes."""
        if not hasattr(self, "breaker"):
            return
        breaker = self.breaker
        now_us = self.now_us + round((self.limits.open_max_s + self.limits.probe_timeout_s) * SECOND_US)
        for number in range(self.limits.success_threshold):
            admitted = admit(breaker, self.limits, now_us, f"last-{number}")
            assert admitted is not None
            breaker = observe(admitted, self.limits, [Seen(now_us, Verdict.SUCCESS, f"last-{number}")], 0.0)
        assert breaker.phase is Phase.CLOSED


def test_it_opens_and_lets_probes_through_and_closes_exactly_when_it_should() -> None:
    reached.clear()
    run_state_machine_as_test(BreakerMachine, settings=settings(max_examples=100, stateful_step_count=50))
    wanted = {*Phase, "calls failed in a row", "probes succeeded", "probe failed"}
    assert {one for one in wanted if reached[one] < 5} == set()


@given(
    rules=RULES,
    calls=st.lists(st.tuples(st.sampled_from([0, 0, 1, 5, 9, 10]), st.booleans()), min_size=3, max_size=40),
)
def test_it_opens_on_the_rate_of_failures_within_its_window(
    rules: BreakerRules, calls: list[tuple[int, bool]]
) -> None:
    """``calls`` are pauses, in slices of the window, and whether the call behind each fails."""
    rules = replace(rules, failure_threshold=len(calls) + 1)
    breaker, model, now_us = Breaker(), BreakerModel(rules), START_US
    for slices, fails in calls:
        now_us += round(rules.window_s * SECOND_US) // WINDOW_SLICES * slices + 1
        verdict = Verdict.FAILURE if fails else Verdict.SUCCESS
        breaker = observe(breaker, rules, [Seen(now_us, verdict)], 0.0)
        model.end(now_us, verdict, "")
        assert breaker.phase is model.phase


SEEN = st.builds(
    Seen,
    st.integers(START_US, START_US + 90 * SECOND_US),
    VERDICTS,
    st.sampled_from(["", "", "p1", "p2"]),
    st.integers(0, 5),
)
BREAKERS = st.builds(
    Breaker,
    phase=st.sampled_from(Phase),
    changed_at_us=st.sampled_from([0, START_US, START_US + SECOND_US]),
    reason=st.sampled_from(["", "a probe failed"]),
    failures_in_a_row=st.integers(0, 4),
    slices=st.lists(
        st.builds(Slice, st.integers(0, 5), st.integers(0, 9), st.integers(0, 9)), max_size=3
    ).map(tuple),
    openings=st.integers(0, 3),
    open_for_s=st.sampled_from([0.0, 5.0, 60.0]),
    probes=st.lists(st.builds(Probe, st.sampled_from(["p1", "p2"]), st.just(START_US)), max_size=2).map(
        tuple
    ),
    probes_succeeded=st.integers(0, 1),
)


@given(breaker=BREAKERS, rules=RULES, batch=st.lists(SEEN, max_size=12), data=st.data())
def test_a_batch_means_the_same_in_whatever_order_it_arrives(
    breaker: Breaker, rules: BreakerRules, batch: list[Seen], data: st.DataObject
) -> None:
    other_order = data.draw(st.permutations(batch))
    assert observe(breaker, rules, batch, 0.5) == observe(breaker, rules, other_order, 0.5)


@given(one=BREAKERS, two=BREAKERS, three=BREAKERS)
def test_documents_that_parted_merge_the_same_way_everywhere(
    one: Breaker, two: Breaker, three: Breaker
) -> None:
    merge = BreakerReducer(BreakerRules(), lambda: 0.0).merge
    assert merge(one, one) == one
    assert merge(one, two) == merge(two, one)
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


def test_of_two_documents_the_last_to_change_counts_and_then_the_more_cautious() -> None:
    merge = BreakerReducer(BreakerRules(), lambda: 0.0).merge
    opened = Breaker(phase=Phase.OPEN, changed_at_us=START_US, open_for_s=60)
    closed_later = Breaker(changed_at_us=START_US + 1)
    closed_at_once = Breaker(changed_at_us=START_US)
    assert merge(opened, closed_later) == closed_later
    assert merge(opened, closed_at_once) == opened


@given(rules=RULES, openings=st.integers(1, 10_000), jitter=st.floats(0, 1, exclude_max=True))
def test_opening_again_and_again_takes_longer_but_never_too_long(
    rules: BreakerRules, openings: int, jitter: float
) -> None:
    open_for_s = rules.open_for_s(openings, jitter)
    assert rules.timeout_s <= open_for_s <= rules.open_max_s
    assert rules.open_for_s(openings + 1, jitter) >= open_for_s
    assert (rules.open_for_s(2, jitter) > 1.9 * open_for_s) == (openings == 1)


@given(ahead_s=st.floats(-1e6, 1e6))
def test_a_breaker_that_was_opened_by_a_clock_far_away_can_be_closed(ahead_s: float) -> None:
    rules = BreakerRules()
    breaker = Breaker(
        phase=Phase.OPEN, changed_at_us=START_US + round(ahead_s * SECOND_US), open_for_s=1e9, openings=9
    )
    later_us = START_US + round(2 * rules.open_max_s * SECOND_US)
    assert admits(breaker, rules, START_US) or admits(breaker, rules, later_us)


SKEW_US = 2 * SECOND_US
SKEWS = st.integers(-SKEW_US // 2, SKEW_US // 2)
ACTIONS = st.lists(st.tuples(st.integers(0, 40), SKEWS, SKEWS, VERDICTS, st.integers(0, 3)), max_size=60)


@given(actions=ACTIONS)
def test_clocks_that_differ_let_no_more_probes_through_and_no_sooner_than_they_differ(
    actions: list[tuple[int, int, int, Verdict, int]],
) -> None:
    """Two of many processes at each step: one asks, one reports; calls end in time for their permits."""
    rules = BreakerRules(failure_threshold=3, timeout_s=20.0, probe_timeout_s=30.0)
    breaker, now_us, opened_at_us = Breaker(), START_US, 0
    out: dict[str, int] = {}
    for number, (pause_s, asks_at, reports_at, verdict, kept) in enumerate(actions):
        now_us += pause_s * SECOND_US
        was = breaker.phase
        admitted = admit(breaker, rules, now_us + asks_at, f"probe-{number}")
        if admitted is not None and was is not Phase.CLOSED:
            breaker = admitted
            out[f"probe-{number}"] = now_us
            if was is Phase.OPEN:
                assert now_us - opened_at_us >= rules.timeout_s * SECOND_US - SKEW_US
        ends = [one for one, began_us in out.items() if now_us - began_us >= 28 * SECOND_US]
        reporting = [*ends, *list(out)[kept:][:1], ""]
        for probe in dict.fromkeys(reporting):
            out.pop(probe, None)
            before = breaker.phase
            breaker = observe(breaker, rules, [Seen(now_us + reports_at, verdict, probe)], 0.0)
            if breaker.phase is Phase.OPEN and before is not Phase.OPEN:
                opened_at_us, out = now_us, {}
        if breaker.phase is Phase.CLOSED:
            out = {}
        assert len(out) + breaker.probes_succeeded <= rules.success_threshold
