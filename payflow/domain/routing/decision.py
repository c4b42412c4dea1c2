"""What routing decided, with everything that it decided it from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from payflow.domain.routing.candidate import Candidate
from payflow.domain.routing.rules import Strategy


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """Decided again from the same candidates, seed and rules, it is the same.

    ``rules_version`` is that of the merchant's own rules, 0 without any; those of an experiment's ``arm``
    took their place where it has some. ``rule`` is the one that counted, empty for the accounts by their
    priority; ``passed_over`` matched before it, but had no account that could take the payment. ``explored``
    says that the first of ``order`` is there to be learned about. The others follow should it prove to have
    done nothing.
    """

    seed: int
    rules_version: int
    rule: str
    strategy: Strategy
    candidates: tuple[Candidate, ...]
    order: tuple[str, ...]
    passed_over: tuple[str, ...] = ()
    explored: bool = False
    experiment_id: str = ""
    arm: str = ""

    @property
    def cost(self) -> int:
        """What the PSP of the first account would keep; 0 without one."""
        return sum(self.costs_at(self.order[:1]))

    def costs_at(self, accounts: Iterable[str]) -> tuple[int, ...]:
        """What the accounts' PSPs would keep, in their order; 0 where one was no candidate."""
        costs = {one.psp_account_id: one.cost for one in self.candidates}
        return tuple(costs.get(account, 0) for account in accounts)
