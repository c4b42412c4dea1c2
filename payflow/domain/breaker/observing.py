"""What a breaker makes of how calls end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from payflow.domain.breaker.admission import SECOND_US
from payflow.domain.breaker.state import WINDOW_SLICES, Breaker, BreakerRules, Phase, Seen, Slice, Verdict


def observe(breaker: Breaker, rules: BreakerRules, batch: Iterable[Seen], jitter: float) -> Breaker:
    """The breaker behind one process' batch of calls, in the order of their ends, however they arrive.

    ``jitter`` is random, from 0 to 1.
    """
    for seen in sorted(batch, key=lambda one: (one.number, one.at_us, one.verdict, one.probe)):
        breaker = _observe_one(breaker, rules, seen, jitter)
    return breaker


def _observe_one(breaker: Breaker, rules: BreakerRules, seen: Seen, jitter: float) -> Breaker:
    match breaker.phase:
        case Phase.CLOSED:
            return _counted(breaker, rules, seen, jitter)
        case Phase.HALF_OPEN:
            return _probed(breaker, rules, seen, jitter)
        case Phase.OPEN:
            return breaker  # a call that began before it opened


def _counted(breaker: Breaker, rules: BreakerRules, seen: Seen, jitter: float) -> Breaker:
    match seen.verdict:
        case Verdict.NEITHER:
            return breaker
        case Verdict.SUCCESS:
            return replace(breaker, failures_in_a_row=0, slices=_with_call(breaker.slices, rules, seen))
        case Verdict.FAILURE:
            slices = _with_call(breaker.slices, rules, seen)
            failed = replace(breaker, failures_in_a_row=breaker.failures_in_a_row + 1, slices=slices)
            reason = _reason_to_open(failed, rules)
            return _opened(failed, rules, seen.at_us, reason, jitter) if reason else failed


def _reason_to_open(breaker: Breaker, rules: BreakerRules) -> str:
    """Empty where there is none."""
    if breaker.failures_in_a_row >= rules.failure_threshold:
        return f"{breaker.failures_in_a_row} calls failed in a row"
    failures = sum(one.failures for one in breaker.slices)
    calls = failures + sum(one.successes for one in breaker.slices)
    if calls >= rules.calls_min and failures * 100 >= rules.failure_rate_percent * calls:
        return f"{failures} of {calls} calls failed within {rules.window_s:g} s"
    return ""


def _probed(breaker: Breaker, rules: BreakerRules, seen: Seen, jitter: float) -> Breaker:
    """Only a probe counts: any other call began before the breaker opened, or too long ago."""
    others = tuple(probe for probe in breaker.probes if probe.id != seen.probe)
    if len(others) == len(breaker.probes):
        return breaker
    match seen.verdict:
        case Verdict.NEITHER:
            return replace(breaker, probes=others)
        case Verdict.FAILURE:
            return _opened(breaker, rules, seen.at_us, "a probe failed", jitter)
        case Verdict.SUCCESS:
            succeeded = breaker.probes_succeeded + 1
            if succeeded < rules.success_threshold:
                return replace(breaker, probes=others, probes_succeeded=succeeded)
            return Breaker(changed_at_us=seen.at_us, reason=f"{succeeded} probes succeeded")


def _opened(breaker: Breaker, rules: BreakerRules, at_us: int, reason: str, jitter: float) -> Breaker:
    openings = breaker.openings + 1
    return Breaker(
        phase=Phase.OPEN,
        changed_at_us=at_us,
        reason=reason,
        openings=openings,
        open_for_s=rules.open_for_s(openings, jitter),
    )


def _with_call(slices: tuple[Slice, ...], rules: BreakerRules, seen: Seen) -> tuple[Slice, ...]:
    """The window with one more call in its slice, without the slices that it has left behind."""
    number = seen.at_us // (round(rules.window_s * SECOND_US) // WINDOW_SLICES)
    if slices and slices[-1].number == number:  # as nearly always
        return (*slices[:-1], _with_one(slices[-1], seen))
    by_number = {one.number: one for one in slices}
    by_number[number] = _with_one(by_number.get(number, Slice(number)), seen)
    newest = max(by_number)
    return tuple(by_number[kept] for kept in sorted(by_number) if kept > newest - WINDOW_SLICES)


def _with_one(part: Slice, seen: Seen) -> Slice:
    succeeded = seen.verdict is Verdict.SUCCESS
    return Slice(part.number, part.successes + succeeded, part.failures + (not succeeded))
