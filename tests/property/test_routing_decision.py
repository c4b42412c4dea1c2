"""Whatever the rules and accounts are: a decision follows from what it records, and keeps to what it says."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.routing.candidate import Candidate
from payflow.domain.routing.draws import seed_of
from payflow.domain.routing.engine import decide
from payflow.domain.routing.request import RoutingRequest
from payflow.domain.routing.rules import RuleSet, Strategy
from tests.routing_inputs import CANDIDATES, REQUESTS, RULE_SETS


@given(REQUESTS, CANDIDATES, RULE_SETS, st.randoms(use_true_random=False))
def test_decided_again_from_its_record_it_is_the_same(
    request: RoutingRequest, candidates: list[Candidate], rules: RuleSet, chance: object
) -> None:
    decision = decide(request, candidates, rules, seed_of(request.intent_id), rules_version=3)
    recorded = list(decision.candidates)
    chance.shuffle(recorded)  # type: ignore[attr-defined]  # a random.Random
    assert decide(request, recorded, rules, decision.seed, rules_version=3) == decision


@given(REQUESTS, CANDIDATES, RULE_SETS)
def test_every_account_that_can_take_the_payment_is_in_the_order_once_unless_a_rule_forbids_it(
    request: RoutingRequest, candidates: list[Candidate], rules: RuleSet
) -> None:
    decision = decide(request, candidates, rules, seed_of(request.intent_id))
    eligible = {one.psp_account_id for one in candidates if one.exclusion is None}
    assert len(set(decision.order)) == len(decision.order)
    assert set(decision.order) <= eligible
    counted = [one for one in rules.rules if one.name == decision.rule and one.matches(request)]
    if not any(one.only_listed for one in counted):
        assert set(decision.order) == eligible
    assert bool(decision.order) == bool(eligible)
    assert set(decision.passed_over) <= {one.name for one in rules.rules if one.matches(request)}


@given(REQUESTS, CANDIDATES, RULE_SETS)
def test_only_a_decision_by_score_explores_or_has_scores(
    request: RoutingRequest, candidates: list[Candidate], rules: RuleSet
) -> None:
    decision = decide(request, candidates, rules, seed_of(request.intent_id))
    scores = {one.psp_account_id: one.score for one in decision.candidates}
    if decision.strategy is not Strategy.SCORE:
        assert not decision.explored
        assert not any(scores.values())
        return
    ranked = [scores[one] for one in decision.order if scores[one]]
    behind = ranked[1:] if decision.explored else ranked
    assert behind == sorted(behind, reverse=True)


@given(REQUESTS, CANDIDATES, RULE_SETS)
def test_an_account_that_cannot_take_the_payment_changes_nothing_for_the_others(
    request: RoutingRequest, candidates: list[Candidate], rules: RuleSet
) -> None:
    without_exploration = replace(rules, weights=replace(rules.weights, exploration_percent=0))
    seed = seed_of(request.intent_id)
    able = [one for one in candidates if one.exclusion is None]
    assert (
        decide(request, candidates, without_exploration, seed).order
        == decide(request, able, without_exploration, seed).order
    )
