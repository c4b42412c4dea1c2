"""A circuit breaker told the long way: it keeps everything that happened and counts it anew each time."""

from __future__ import annotations

from dataclasses import dataclass, field

from payflow.domain.breaker.state import WINDOW_SLICES, BreakerRules, Phase, Verdict

SECOND_US = 1_000_000


@dataclass
class BreakerModel:
    rules: BreakerRules
    phase: Phase = Phase.CLOSED
    calls: list[tuple[int, bool]] = field(default_factory=list)
    opened_at_us: int = 0
    openings: int = 0
    permits: dict[str, int] = field(default_factory=dict)
    succeeded: int = 0
    tried_again: bool = False

    def live(self, now_us: int) -> list[str]:
        """Probes that may still report."""
        lapse_us = self.rules.probe_timeout_s * SECOND_US
        return [probe for probe, granted in self.permits.items() if now_us - granted < lapse_us]

    def open_for_s(self) -> float:
        """The jitter is left out: the tests that use this model have none."""
        if self.tried_again:
            return 0.0
        return self.rules.timeout_s * (1, 2, 4, 8)[min(self.openings, 4) - 1]

    def admit(self, now_us: int, probe: str) -> bool:
        """Whether a call is let through."""
        if self.phase is Phase.CLOSED:
            return True
        if self.phase is Phase.OPEN:
            if now_us - self.opened_at_us < self.open_for_s() * SECOND_US:
                return False
            self.phase, self.permits, self.succeeded = Phase.HALF_OPEN, {}, 0
        elif len(self.live(now_us)) >= self.rules.success_threshold - self.succeeded:
            return False
        self.permits = {one: self.permits[one] for one in self.live(now_us)} | {probe: now_us}
        return True

    def end(self, now_us: int, verdict: Verdict, probe: str) -> None:
        """A call has ended."""
        if self.phase is Phase.HALF_OPEN and self.permits.pop(probe, None) is not None:
            self._end_probe(now_us, verdict)
        elif self.phase is Phase.CLOSED and verdict is not Verdict.NEITHER:
            self.calls.append((now_us, verdict is Verdict.SUCCESS))
            if verdict is Verdict.FAILURE and (self._fails_in_a_row() or self._fails_too_often()):
                self._open(now_us)

    def _end_probe(self, now_us: int, verdict: Verdict) -> None:
        if verdict is Verdict.FAILURE:
            self._open(now_us)
        elif verdict is Verdict.SUCCESS:
            self.succeeded += 1
            if self.succeeded == self.rules.success_threshold:
                self.phase, self.openings, self.calls = Phase.CLOSED, 0, []

    def _open(self, now_us: int) -> None:
        self.phase, self.opened_at_us, self.openings = Phase.OPEN, now_us, self.openings + 1
        self.tried_again = False

    def _fails_in_a_row(self) -> bool:
        last = self.calls[-self.rules.failure_threshold :]
        return len(last) == self.rules.failure_threshold and not any(success for _, success in last)

    def _fails_too_often(self) -> bool:
        slice_us = round(self.rules.window_s * SECOND_US) // WINDOW_SLICES
        newest = max(at_us for at_us, _ in self.calls) // slice_us
        inside = [success for at_us, success in self.calls if at_us // slice_us > newest - WINDOW_SLICES]
        if len(inside) < self.rules.calls_min:
            return False
        return inside.count(False) / len(inside) >= self.rules.failure_rate_percent / 100
