"""Scores accounts by success rate, cost and latency, and decides when to learn about another one.

A success rate of few payments is drawn towards that of all accounts together (an empirical Bayes estimate
with a Beta prior), so that it is not trusted. Learning is Thompson sampling, with its choice computed
instead of sampled: another account is tried as often as it may be the better one by a normal
approximation of both posteriors (Chapelle and Li, "An Empirical Evaluation of Thompson Sampling", 2011),
but inside a bound, and never so seldom that a PSP that has recovered would not be found again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from payflow.domain.routing.candidate import PER_MILLION, Candidate
from payflow.domain.routing.draws import draw
from payflow.domain.routing.rules import Weights

# What all accounts of a merchant are taken for before anything is known, and how firmly.
BASE_RATE = 0.9
BASE_SAMPLES = 10
# How many payments at the rate of all an account is credited with before its own.
PRIOR_SAMPLES = 20
# The least share of its part of the exploration that a worse account gets.
APPETITE_MIN = 0.3


# An account's score in millionths, negative so that the best comes first; then its priority, and its id.
Rank = tuple[int, int, str]


def ranked(eligible: Collection[Candidate], amount: int, weights: Weights) -> list[Rank]:
    """Best first; among equals by priority and id."""
    total = weights.success + weights.cost + weights.latency
    success, cost, latency = weights.success / total, weights.cost / total, weights.latency / total
    common = _common_rate(eligible)
    fastest_ms = min([one.latency_ms for one in eligible if one.samples], default=0)
    found = []
    for one in eligible:
        # Who has not been timed yet counts as fast.
        quickness = (1 + fastest_ms) / (1 + one.latency_ms) if one.samples else 1.0
        score = success * _rate(one, common) + cost * (1 - one.cost / amount) + latency * quickness
        found.append((-round(score * PER_MILLION), one.priority, one.psp_account_id))
    found.sort()
    return found


def _common_rate(eligible: Collection[Candidate]) -> float:
    approved = sum([one.samples * one.success_ppm for one in eligible]) / PER_MILLION
    return (approved + BASE_RATE * BASE_SAMPLES) / (sum([one.samples for one in eligible]) + BASE_SAMPLES)


def _rate(one: Candidate, common: float) -> float:
    approved = one.samples * one.success_ppm / PER_MILLION
    return (approved + PRIOR_SAMPLES * common) / (one.samples + PRIOR_SAMPLES)


def to_explore(ranking: Sequence[Rank], eligible: Collection[Candidate], weights: Weights, seed: int) -> int:
    """The place in ``ranking`` that the payment goes to: 0, or that of an account to be learned about.

    The bound is divided among all but the best; each uses as much of its part as it has appetite for.
    """
    others = len(ranking) - 1
    bound = weights.exploration_percent / 100
    if others < 1 or bound == 0:
        return 0
    chance = draw(seed, "explore")
    if chance >= bound:
        return 0
    part, position = divmod(chance / bound * others, 1)
    place = min(1 + int(part), others)
    return place if position < _appetite(ranking[0], ranking[place], eligible, weights) else 0


def _appetite(best: Rank, other: Rank, eligible: Collection[Candidate], weights: Weights) -> float:
    """Twice the probability that ``other`` is better, so 1 for one that is as good; at least a little."""
    common = _common_rate(eligible)
    compared = (one for one in eligible if one.psp_account_id in (best[2], other[2]))
    deviation = math.sqrt(sum(_variance(one, common) for one in compared))
    share = weights.success / (weights.success + weights.cost + weights.latency)
    if share == 0:
        return APPETITE_MIN
    ahead = (other[0] - best[0]) / PER_MILLION
    return max(APPETITE_MIN, math.erfc(ahead / (share * deviation) / math.sqrt(2)))


def _variance(one: Candidate, common: float) -> float:
    """Of its success rate, because few payments are known of it; never 0, as ``common`` is not 0 or 1."""
    rate = _rate(one, common)
    return rate * (1 - rate) / (one.samples + PRIOR_SAMPLES)
