from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.routing.experiment import Arm, Guardrail
from payflow.domain.routing.experiment_faults import faults_of_experiment
from payflow.domain.routing.rule_faults import FAULTS_MAX, faults_of_rules, require_none
from payflow.domain.routing.rules import Condition, Rule, RuleAccount, RuleSet, Strategy, Weights

ACCOUNTS = {"adyen", "stripe"}
GOOD = Rule(
    "good",
    Strategy.SPLIT,
    (Condition(amount_min=1, amount_max=5_000, currencies=("EUR", "USD")), Condition(metadata_key="tier")),
    (RuleAccount("adyen", 80), RuleAccount("stripe", 20)),
)
ANY = Rule("any", Strategy.SCORE)


def places(rules: RuleSet) -> list[str]:
    return [fault.field for fault in faults_of_rules(rules, ACCOUNTS)]


def test_good_rules_have_no_faults() -> None:
    assert places(RuleSet((GOOD, ANY))) == []
    assert places(RuleSet()) == []


@pytest.mark.parametrize(
    ("condition", "place"),
    [
        (Condition(), ""),
        (Condition(amount_min=0, currencies=("EUR",)), ".amount_min"),
        (Condition(amount_min=2, amount_max=1, currencies=("EUR",)), ".amount_max"),
        (Condition(amount_max=10**12, currencies=("EUR",)), ".amount_max"),
        (Condition(amount_max=1), ".currencies"),
        (Condition(currencies=("EUR", "eur")), ".currencies[1]"),
        (Condition(countries=("DEU",)), ".countries[0]"),
        (Condition(countries=("GB", "UK")), ".countries[1]"),
        (Condition(countries=("DE",) * 51), ".countries"),
        (Condition(payment_method_types=("Card",)), ".payment_method_types[0]"),
        (Condition(metadata_key="k" * 41), ".metadata_key"),
        (Condition(metadata_key="\x00"), ".metadata_key"),
        (Condition(metadata_values=("gold",)), ".metadata_key"),
        (Condition(metadata_key="tier", metadata_values=("v" * 501,)), ".metadata_values[0]"),
        (Condition(metadata_key="tier", metadata_values=("a", "b\x00")), ".metadata_values[1]"),
    ],
)
def test_a_fault_of_a_condition_has_its_place(condition: Condition, place: str) -> None:
    rules = RuleSet((ANY, replace(GOOD, conditions=(*GOOD.conditions, condition))))
    assert places(rules) == [f"rules[1].conditions[2]{place}"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda rule: replace(rule, name=""), "name"),
        (lambda rule: replace(rule, name="two words"), "name"),
        (lambda rule: replace(rule, accounts=()), "accounts"),
        (lambda rule: replace(rule, accounts=(RuleAccount("adyen", 0),)), "accounts[0].weight"),
        (lambda rule: replace(rule, accounts=(RuleAccount("adyen", 1_001),)), "accounts[0].weight"),
        (lambda rule: replace(rule, accounts=(RuleAccount("gone", 1),)), "accounts[0].psp_account_id"),
        (lambda rule: replace(rule, conditions=(Condition(countries=("DE",)),) * 11), "conditions"),
        (lambda rule: replace(rule, strategy=Strategy.PRIORITY, accounts=()), "accounts"),
    ],
)
def test_a_fault_of_a_rule_has_its_place(change: Callable[[Rule], Rule], place: str) -> None:
    assert places(RuleSet((change(GOOD),))) == [f"rules[0].{place}"]


def test_names_and_accounts_are_given_once_and_weights_are_for_splits() -> None:
    twice = replace(GOOD, accounts=(RuleAccount("adyen", 1), RuleAccount("adyen", 1)))
    ids = [f"rules[0].accounts[{number}].psp_account_id" for number in (0, 1)]
    assert places(RuleSet((twice,))) == ids
    assert places(RuleSet((GOOD, GOOD))) == ["rules[0].name", "rules[1].name"]
    weighed = replace(GOOD, strategy=Strategy.SCORE)
    assert places(RuleSet((weighed,))) == [f"rules[0].accounts[{number}].weight" for number in (0, 1)]


@pytest.mark.parametrize(
    ("weights", "place"),
    [
        (Weights(success=-1), "weights.success"),
        (Weights(cost=10_001), "weights.cost"),
        (Weights(0, 0, 0), "weights"),
        (Weights(exploration_percent=21), "weights.exploration_percent"),
    ],
)
def test_a_fault_of_weights_has_its_place(weights: Weights, place: str) -> None:
    assert places(RuleSet(weights=weights)) == [place]


def test_all_faults_are_told_at_once_up_to_a_bound() -> None:
    bad = [Rule(f"rule{number}", Strategy.SPLIT) for number in range(51)]
    with pytest.raises(PayFlowError) as refused:
        require_none(faults_of_rules(RuleSet(tuple(bad)), ACCOUNTS))
    assert refused.value.reason is Reason.VALIDATION_FAILED
    assert len(refused.value.fields) == FAULTS_MAX
    assert [one.field for one in refused.value.fields[:2]] == ["rules", "rules[0].accounts"]
    assert refused.value.message == "rules: must be at most 50 rules (and 49 more)"
    require_none(faults_of_rules(RuleSet((GOOD,)), ACCOUNTS))


def test_faults_of_an_experiment_have_their_places() -> None:
    bad = RuleSet((replace(GOOD, accounts=(RuleAccount("gone", 1),)),))
    arms = (Arm("control", 50), Arm("control", 100, bad))
    found = [one.field for one in faults_of_experiment(arms, Guardrail(-1, 5), ACCOUNTS)]
    assert found == [
        "arms[0].name",
        "arms[1].name",
        "arms[1].share_percent",
        "arms[1].rules.rules[0].accounts[0].psp_account_id",
        "arms",
        "guardrail.margin_bps",
        "guardrail.samples_min",
    ]
    good = (Arm("control", 90), Arm("score", 10, RuleSet((ANY,))))
    assert list(faults_of_experiment(good, Guardrail(), ACCOUNTS)) == []
    assert [one.field for one in faults_of_experiment(good[:1], Guardrail(), ACCOUNTS)] == ["arms", "arms"]
