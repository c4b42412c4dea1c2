"""Whether a breaker lets a call through."""

from __future__ import annotations

from dataclasses import replace

from payflow.domain.breaker.state import Breaker, BreakerRules, Phase, Probe

SECOND_US = 1_000_000


def admits(breaker: Breaker, rules: BreakerRules, now_us: int) -> bool:
    """Whether a call would be let through now."""
    match breaker.phase:
        case Phase.CLOSED:
            return True
        case Phase.OPEN:
            return _was_open_long_enough(breaker, rules, now_us)
        case Phase.HALF_OPEN:
            needed = max(1, rules.success_threshold - breaker.probes_succeeded)
            return len(_live_probes(breaker, rules, now_us)) < needed


def admit(breaker: Breaker, rules: BreakerRules, now_us: int, probe: str) -> Breaker | None:
    """The breaker behind a call that it lets through; None where it lets none through.

    Unless it is closed, the call is a probe and has a permit with that id in ``probes``.
    """
    if not admits(breaker, rules, now_us):
        return None
    if breaker.phase is Phase.CLOSED:
        return breaker
    permit = Probe(probe, now_us)
    if breaker.phase is Phase.HALF_OPEN:
        return replace(breaker, probes=(*_live_probes(breaker, rules, now_us), permit))
    return replace(
        breaker,
        phase=Phase.HALF_OPEN,
        changed_at_us=now_us,
        reason=f"it was open for {(now_us - breaker.changed_at_us) / SECOND_US:.0f} s",
        probes=(permit,),
        probes_succeeded=0,
    )


def try_again(breaker: Breaker) -> Breaker | None:
    """An open breaker that lets probes through from now on; None for any other."""
    return replace(breaker, open_for_s=0.0) if breaker.phase is Phase.OPEN else None


def _was_open_long_enough(breaker: Breaker, rules: BreakerRules, now_us: int) -> bool:
    return not _is_within(breaker.changed_at_us, min(breaker.open_for_s, rules.open_max_s), now_us)


def _live_probes(breaker: Breaker, rules: BreakerRules, now_us: int) -> list[Probe]:
    return [one for one in breaker.probes if _is_within(one.granted_at_us, rules.probe_timeout_s, now_us)]


def _is_within(since_us: int, duration_s: float, now_us: int) -> bool:
    # An instant that lies further ahead than the duration was written by a clock that cannot be right.
    return abs(now_us - since_us) < duration_s * SECOND_US
