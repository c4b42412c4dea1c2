"""PSPs whose approvals drift: how soon payments go elsewhere and come back, and what it costs meanwhile.

``measure`` works on any list of choices, whoever made them; ``simulate`` makes them with the pure engine.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from payflow.domain.declines import failure
from payflow.domain.psp_outcome import Approved, Declined
from payflow.domain.routing.candidate import Candidate
from payflow.domain.routing.draws import seed_of
from payflow.domain.routing.engine import decide
from payflow.domain.routing.request import RoutingRequest
from payflow.domain.routing.rules import Rule, RuleSet, Strategy, Weights
from payflow.psp.performance import Performance
from tests.routing_inputs import psp_account

START = datetime(2026, 1, 1, tzinfo=UTC)
AMOUNT = 10_000
WINDOW = 100


@dataclass(frozen=True, slots=True)
class Phase:
    """So many payments, each account approving with the same probability."""

    payments: int
    approval: Mapping[str, float]

    @property
    def best(self) -> str:
        return max(self.approval, key=lambda account: self.approval[account])


@dataclass(frozen=True, slots=True)
class Followed:
    """``after`` payments of a phase, WINDOW of them in a row went to its best account 9 times in 10.

    None where they never did. ``regret`` are the approvals that always choosing the best would have got more.
    """

    phase: Phase
    after: int | None
    share_at_end: float
    regret: float


def measure(phases: Sequence[Phase], chosen: Sequence[str]) -> list[Followed]:
    """What became of each phase; ``chosen`` are the accounts of all its payments, in order."""
    found, start = [], 0
    for phase in phases:
        own = chosen[start : start + phase.payments]
        start += phase.payments
        right = [account == phase.best for account in own]
        windows = range(len(right) - WINDOW + 1)
        after = next((one for one in windows if sum(right[one : one + WINDOW]) >= 0.9 * WINDOW), None)
        regret = sum(phase.approval[phase.best] - phase.approval[account] for account in own)
        found.append(Followed(phase, after, sum(right[-WINDOW:]) / WINDOW, regret))
    return found


def simulate(
    phases: Sequence[Phase],
    seed: int,
    costs: Mapping[str, int] | None = None,
    weights: Weights | None = None,
    every: timedelta = timedelta(seconds=1),
) -> list[str]:
    """The accounts that the engine chose for one payment after the other; it learns from each."""
    chance, performance = random.Random(seed), Performance()
    rules = RuleSet((Rule("all", Strategy.SCORE),), weights or Weights())
    now = START
    chosen: list[str] = []
    for phase in phases:
        for _ in range(phase.payments):
            now += every
            intent_id = f"pi_{seed}_{len(chosen)}"
            known = performance.of_merchant("shop", now)
            candidates = [
                Candidate(
                    account,
                    "simulator",
                    0,
                    None,
                    (costs or {}).get(account, 0),
                    *known.get(account, (0, 0, 0)),
                )
                for account in phase.approval
            ]
            request = RoutingRequest(intent_id, AMOUNT, "USD")
            account = decide(request, candidates, rules, seed_of(intent_id)).order[0]
            approved = chance.random() < phase.approval[account]
            outcome = Approved("psp_1") if approved else Declined(failure("card_declined"))
            performance.learn(psp_account(account), outcome, 0.1, now)
            chosen.append(account)
    return chosen
