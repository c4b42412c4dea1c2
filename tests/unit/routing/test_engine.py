from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from payflow.domain.routing.candidate import Candidate, Exclusion
from payflow.domain.routing.decision import RoutingDecision
from payflow.domain.routing.draws import seed_of
from payflow.domain.routing.engine import decide
from payflow.domain.routing.rules import Condition, Rule, RuleSet, Strategy, Weights
from tests.routing_inputs import EURO_CARD, rule

ADYEN = Candidate("adyen", "adyen", 2, cost=150)
STRIPE = Candidate("stripe", "stripe", 1, cost=290)
THIRD = Candidate("third", "simulator", 3)
ALL = (ADYEN, STRIPE, THIRD)


def decided(*rules: Rule, candidates: Sequence[Candidate] = ALL, seed: int = 7) -> RoutingDecision:
    return decide(EURO_CARD, candidates, RuleSet(rules, Weights(exploration_percent=0)), seed)


def without(account: Candidate, why: Exclusion = Exclusion.UNAVAILABLE) -> list[Candidate]:
    return [replace(one, exclusion=why) if one == account else one for one in ALL]


def test_without_rules_accounts_follow_their_priority() -> None:
    decision = decided()
    assert decision.order == ("stripe", "adyen", "third")
    assert (decision.rule, decision.strategy, decision.passed_over) == ("", Strategy.PRIORITY, ())


def test_the_first_rule_that_matches_counts_and_the_rest_are_fallbacks() -> None:
    other = rule(Strategy.PRIORITY, "adyen", conditions=(Condition(currencies=("USD",)),))
    decision = decided(other, rule(Strategy.PRIORITY, "third"), rule(Strategy.PRIORITY, "adyen"))
    assert decision.order == ("third", "stripe", "adyen")
    assert decision.rule == "mine"


def test_a_rule_may_forbid_other_accounts() -> None:
    assert decided(rule(Strategy.PRIORITY, "third", "adyen", only_listed=True)).order == ("third", "adyen")


def test_a_rule_without_an_account_for_the_payment_is_passed_over_and_that_is_recorded() -> None:
    first = replace(rule(Strategy.PRIORITY, "adyen", only_listed=True), name="first")
    decision = decided(first, rule(Strategy.PRIORITY, "third"), candidates=without(ADYEN))
    assert decision.order == ("third", "stripe")
    assert (decision.rule, decision.passed_over) == ("mine", ("first",))
    assert decided(first, candidates=without(ADYEN)).order == ("stripe", "third")


def test_nobody_is_left_when_all_are_excluded() -> None:
    nobody = [replace(one, exclusion=Exclusion.DISABLED) for one in ALL]
    decision = decided(rule(Strategy.SCORE), candidates=nobody)
    assert (decision.order, decision.cost) == ((), 0)
    assert {one.exclusion for one in decision.candidates} == {Exclusion.DISABLED}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Condition(currencies=("USD", "EUR")), True),
        (Condition(currencies=("USD",)), False),
        (Condition(amount_min=5_000, amount_max=5_000), True),
        (Condition(amount_min=5_001), False),
        (Condition(amount_max=4_999), False),
        (Condition(countries=("FR", "DE")), True),
        (Condition(countries=("FR",)), False),
        (Condition(payment_method_types=("card",)), True),
        (Condition(payment_method_types=("apple_pay",)), False),
        (Condition(metadata_key="tier"), True),
        (Condition(metadata_key="tier", metadata_values=("silver", "gold")), True),
        (Condition(metadata_key="tier", metadata_values=("silver",)), False),
        (Condition(metadata_key="color"), False),
        (Condition(currencies=("EUR",), countries=("FR",)), False),
    ],
)
def test_a_condition_holds_where_everything_that_it_names_does(condition: Condition, holds: bool) -> None:
    assert rule(Strategy.SCORE, conditions=(condition,)).matches(EURO_CARD) is holds


def test_every_condition_of_a_rule_has_to_hold() -> None:
    good, bad = Condition(currencies=("EUR",)), Condition(countries=("FR",))
    assert not rule(Strategy.SCORE, conditions=(good, bad)).matches(EURO_CARD)


def test_an_unknown_country_is_in_no_list_of_countries() -> None:
    request = replace(EURO_CARD, country="")
    assert not rule(Strategy.SCORE, conditions=(Condition(countries=("DE",)),)).matches(request)


def firsts(candidates: Sequence[Candidate], *shares: str) -> Counter[str]:
    split = rule(Strategy.SPLIT, *shares)
    return Counter(
        decided(split, candidates=candidates, seed=seed_of(f"pi_{number}")).order[0]
        for number in range(4_000)
    )


def test_a_split_divides_payments_by_weight() -> None:
    shares = firsts(ALL, "stripe:70", "adyen:20", "third:10")
    # Within five standard deviations of what a fair draw gives.
    assert abs(shares["stripe"] - 2_800) < 145
    assert abs(shares["adyen"] - 800) < 127
    assert abs(shares["third"] - 400) < 95


def test_a_split_keeps_the_proportions_of_those_that_are_left() -> None:
    shares = firsts(without(STRIPE), "stripe:70", "adyen:20", "third:10")
    assert shares["stripe"] == 0
    assert abs(shares["adyen"] - 4_000 * 2 / 3) < 150


def test_a_payment_stays_where_it_is_in_a_split_when_another_account_fails() -> None:
    split = rule(Strategy.SPLIT, "stripe:70", "adyen:20", "third:10")
    for number in range(200):
        before = decided(split, seed=number).order
        after = decided(split, candidates=without(ADYEN), seed=number).order
        assert after == tuple(one for one in before if one != "adyen")


def test_a_score_ranks_only_what_the_rule_names() -> None:
    decision = decided(rule(Strategy.SCORE, "stripe", "adyen"))
    assert decision.order == ("adyen", "stripe", "third")
    scores = {one.psp_account_id: one.score for one in decision.candidates}
    assert scores["adyen"] > scores["stripe"] > 0 == scores["third"]
    assert decision.cost == 150


def test_of_equal_scores_the_account_with_priority_is_first() -> None:
    same = [replace(one, cost=100) for one in ALL]
    assert decided(rule(Strategy.SCORE), candidates=same).order == ("stripe", "adyen", "third")
