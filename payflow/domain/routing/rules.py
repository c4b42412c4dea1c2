"""A merchant's rules: which PSP accounts a payment goes to, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from payflow.domain.routing.request import RoutingRequest


class Strategy(StrEnum):
    """How a rule puts its accounts in order."""

    PRIORITY = "PRIORITY"
    SPLIT = "SPLIT"
    SCORE = "SCORE"


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds where everything that it names does. Amounts are minor units, and both bounds belong to it.

    A ``metadata_key`` without values asks only that the payment has it.
    """

    amount_min: int | None = None
    amount_max: int | None = None
    currencies: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    payment_method_types: tuple[str, ...] = ()
    metadata_key: str = ""
    metadata_values: tuple[str, ...] = ()

    def holds(self, request: RoutingRequest) -> bool:
        """Whether the payment is of this kind."""
        if self.currencies and request.currency not in self.currencies:
            return False
        if self.amount_min is not None and request.amount < self.amount_min:
            return False
        if self.amount_max is not None and request.amount > self.amount_max:
            return False
        if self.countries and request.country not in self.countries:
            return False
        if self.payment_method_types and request.payment_method_type not in self.payment_method_types:
            return False
        if not self.metadata_key:
            return True
        value = request.metadata.get(self.metadata_key)
        return value is not None and (not self.metadata_values or value in self.metadata_values)


@dataclass(frozen=True, slots=True)
class RuleAccount:
    """A PSP account that a rule names; ``weight`` is its share of a SPLIT."""

    psp_account_id: str
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """Sends the payments for which every condition holds to its accounts.

    PRIORITY tries the accounts in their order, SPLIT by their weights, SCORE best first; SCORE without
    accounts means all of them. Behind these follow the merchant's others, unless ``only_listed``.
    """

    name: str
    strategy: Strategy
    conditions: tuple[Condition, ...] = ()
    accounts: tuple[RuleAccount, ...] = ()
    only_listed: bool = False

    def matches(self, request: RoutingRequest) -> bool:
        """Whether it is about this payment."""
        for condition in self.conditions:  # noqa: SIM110  # all() of a generator takes twice as long
            if not condition.holds(request):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Weights:
    """What a score is made of, in proportions, and how much traffic may go to learning.

    A success rate, a cost as a share of the amount, and the latency of the fastest over one's own all run
    from 0 to 1, but seldom by as much: with the defaults, 1 % of the amount counts like 5 points of success
    rate, which is right where a payment earns 20 % of its amount. ``exploration_percent`` bounds the
    payments that go to another account than the best to find out how good it is.
    """

    success: int = 100
    cost: int = 500
    latency: int = 1
    exploration_percent: int = 5


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in order, of which the first that matches counts."""

    rules: tuple[Rule, ...] = ()
    weights: Weights = Weights()
