"""Payments, accounts and rules for tests of routing, as shops have them and at random."""

from __future__ import annotations

from hypothesis import strategies as st

from payflow.domain.fees import FeeSchedule
from payflow.domain.intent.state import PaymentIntent
from payflow.domain.merchant.state import Mode, PspAccount
from payflow.domain.routing.candidate import Candidate, Exclusion
from payflow.domain.routing.decision import RoutingDecision
from payflow.domain.routing.draws import seed_of
from payflow.domain.routing.engine import decide
from payflow.domain.routing.request import RoutingRequest
from payflow.domain.routing.rules import Condition, Rule, RuleAccount, RuleSet, Strategy, Weights
from tests.core import START

ACCOUNTS = ("adyen", "second", "stripe", "third")
EURO_CARD = RoutingRequest("pi_1", 5_000, "EUR", "DE", "card", {"tier": "gold", "cart": "7"})


def psp_account(name: str, merchant_id: str = "shop", priority: int = 0) -> PspAccount:
    """A merchant's account at the simulator, enabled."""
    fees = FeeSchedule()
    return PspAccount(name, merchant_id, "simulator", Mode.TEST, fees, "", priority, True, 1, START, START)


def rule(strategy: Strategy, *accounts: str, **more: object) -> Rule:
    """A rule ``mine`` for some accounts, which may be given as `name:weight`."""
    listed = []
    for account in accounts:
        name, _, weight = account.partition(":")
        listed.append(RuleAccount(name, int(weight or 0)))
    return Rule("mine", strategy, accounts=tuple(listed), **more)  # type: ignore[arg-type]  # fields by name


def routed(intent: PaymentIntent, *accounts: str) -> RoutingDecision:
    """The decision for an intent, by score and in an experiment, where these are the merchant's accounts."""
    request = RoutingRequest(intent.id, intent.amount, intent.currency)
    candidates = [Candidate(one, "simulator", place, cost=7 + place) for place, one in enumerate(accounts)]
    seed = seed_of(intent.id)
    rules = RuleSet((rule(Strategy.SCORE),))
    return decide(
        request, candidates, rules, seed, rules_version=1, experiment_id="exp_1", arm=f"arm{seed % 2}"
    )


AMOUNTS = st.integers(1, 10_000)
CONDITIONS = st.builds(
    Condition,
    amount_min=st.none() | AMOUNTS,
    amount_max=st.none() | AMOUNTS,
    currencies=st.sampled_from([(), ("EUR",), ("USD", "EUR")]),
    countries=st.sampled_from([(), (), ("DE",), ("FR", "")]),
    payment_method_types=st.sampled_from([(), ("card",), ("apple_pay",)]),
    metadata_key=st.sampled_from(["", "", "tier"]),
    metadata_values=st.sampled_from([(), ("gold",)]),
)
LISTED = st.lists(
    st.builds(RuleAccount, st.sampled_from([*ACCOUNTS, "gone"]), st.integers(1, 100)),
    max_size=4,
    unique_by=lambda one: one.psp_account_id,
).map(tuple)
RULES = st.builds(
    Rule,
    name=st.sampled_from(["a", "b", "c"]),
    strategy=st.sampled_from(Strategy),
    conditions=st.lists(CONDITIONS, max_size=2).map(tuple),
    accounts=LISTED,
    only_listed=st.booleans(),
)
WEIGHTS = st.builds(
    Weights, st.integers(1, 100), st.integers(0, 1_000), st.integers(0, 10), st.integers(0, 20)
)
RULE_SETS = st.builds(RuleSet, st.lists(RULES, max_size=5).map(tuple), WEIGHTS)
REQUESTS = st.builds(
    RoutingRequest,
    intent_id=st.integers(0, 10_000).map(lambda number: f"pi_{number}"),
    amount=AMOUNTS,
    currency=st.sampled_from(["EUR", "USD"]),
    country=st.sampled_from(["", "DE", "FR"]),
    payment_method_type=st.sampled_from(["card", "apple_pay"]),
    metadata=st.sampled_from([{}, {"tier": "gold"}, {"tier": "silver"}]),
)
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        st.sampled_from(ACCOUNTS),
        st.just("simulator"),
        priority=st.integers(0, 2),
        exclusion=st.sampled_from([None, None, None, *Exclusion]),
        cost=st.integers(0, 200),
        samples=st.sampled_from([0, 3, 200]),
        success_ppm=st.integers(0, 1_000_000),
        latency_ms=st.integers(0, 3_000),
    ),
    max_size=len(ACCOUNTS),
    unique_by=lambda one: one.psp_account_id,
)
