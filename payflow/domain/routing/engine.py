"""Decides which PSP accounts a payment goes to, and in which order. Pure: no clock, no chance, no I/O.

First match wins among the rules. One that leaves no account which could take the payment is passed over.
Where none counts, the accounts follow their priority.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from payflow.domain.routing.candidate import Candidate
from payflow.domain.routing.decision import RoutingDecision
from payflow.domain.routing.draws import draw
from payflow.domain.routing.request import RoutingRequest
from payflow.domain.routing.rules import Rule, RuleAccount, RuleSet, Strategy, Weights
from payflow.domain.routing.scoring import ranked, to_explore

BY_PRIORITY = Rule("", Strategy.PRIORITY)

_PRIORITY = attrgetter("priority", "psp_account_id")


class _Choice(NamedTuple):
    """Accounts in order, and the scores that made it; ``explored`` as in RoutingDecision."""

    order: Sequence[str]
    scores: Mapping[str, int] = {}
    explored: bool = False


def decide(
    request: RoutingRequest,
    candidates: Iterable[Candidate],
    rules: RuleSet,
    seed: int,
    *,
    rules_version: int = 0,
    experiment_id: str = "",
    arm: str = "",
) -> RoutingDecision:
    """The decision. Scores that ``candidates`` have from an earlier one do not matter."""
    in_order = sorted(candidates, key=_PRIORITY)
    eligible = {one.psp_account_id: one for one in in_order if one.exclusion is None}
    passed_over: list[str] = []
    for rule in rules.rules:
        if rule.matches(request):
            choice = _choice(rule, eligible, request, rules.weights, seed)
            if choice.order:
                break
            passed_over.append(rule.name)
    else:
        rule, choice = BY_PRIORITY, _Choice(list(eligible))
    return RoutingDecision(
        seed=seed,
        rules_version=rules_version,
        rule=rule.name,
        strategy=rule.strategy,
        candidates=_scored(in_order, choice.scores),
        order=tuple(choice.order if rule.only_listed else dict.fromkeys([*choice.order, *eligible])),
        passed_over=tuple(passed_over),
        explored=choice.explored,
        experiment_id=experiment_id,
        arm=arm,
    )


def _scored(candidates: Sequence[Candidate], scores: Mapping[str, int]) -> tuple[Candidate, ...]:
    return tuple([one.with_score(scores.get(one.psp_account_id, 0)) for one in candidates])


def _choice(
    rule: Rule, eligible: Mapping[str, Candidate], request: RoutingRequest, weights: Weights, seed: int
) -> _Choice:
    """The rule's own accounts."""
    listed = [one for one in rule.accounts if one.psp_account_id in eligible]
    match rule.strategy:
        case Strategy.PRIORITY:
            return _Choice([one.psp_account_id for one in listed])
        case Strategy.SPLIT:
            return _Choice(_split(listed, seed))
        case Strategy.SCORE:
            scored = [eligible[one.psp_account_id] for one in listed] if rule.accounts else eligible.values()
            return _best_first(scored, request, weights, seed)


def _split(listed: Iterable[RuleAccount], seed: int) -> list[str]:
    """By weight: the least of exponential variables comes first in proportion to their rates.

    Accounts that cannot take the payment leave the others' proportions as they are. Efraimidis and Spirakis,
    "Weighted random sampling with a reservoir", 2006.
    """
    drawn = [
        (-math.log1p(-draw(seed, f"split:{one.psp_account_id}")) / one.weight, one.psp_account_id)
        for one in listed
    ]
    return [account_id for _, account_id in sorted(drawn)]


def _best_first(
    candidates: Collection[Candidate], request: RoutingRequest, weights: Weights, seed: int
) -> _Choice:
    ranking = ranked(candidates, request.amount, weights)
    scores = {account_id: -deficit for deficit, _, account_id in ranking}
    order = list(scores)
    place = to_explore(ranking, candidates, weights, seed)
    if place:
        order.insert(0, order.pop(place))
    return _Choice(order, scores, place > 0)
