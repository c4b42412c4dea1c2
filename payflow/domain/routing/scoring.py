"""Scores accounts by success rate, cost and latency, and decides when to learn about another one.

A success rate of few payments is drawn towards that of all accounts together (an empirical Bayes estimate
with a Beta prior), so that it is not trusted. Learning is Thompson sampling, with its choice computed
instead of sampled: another account is tried as often as it may be the better one by a normal
approximation of both posteriors (Chapelle and Li, "An Empirical Evaluation of Thompson Sampling", 2011),
but inside a bound, and never so seldom that a PSP that has recovered would not be found again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

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


class Scored(NamedTuple):
    """An account's score in millionths, and the variance that it has because few payments are known.

    In the order in which accounts are ranked, the best has the least: ``deficit`` is the score's negative.
    """

    deficit: int
    priority: int
    psp_account_id: str
    variance: float


def ranked(eligible: Sequence[Candidate], amount: int, weights: Weights) -> list[Scored]:
    """Best first; among equals by priority and id."""
    total = weights.success + weights.cost + weights.latency
    success, cost, latency = weights.success / total, weights.cost / total, weights.latency / total
    prior = PRIOR_SAMPLES * _common_rate(eligible)
    fastest_ms = min([one.latency_ms for one in eligible if one.samples], default=0)
    found = []
    for one in eligible:
        evidence = one.samples + PRIOR_SAMPLES
        rate = (one.samples * one.success_ppm / PER_MILLION + prior) / evidence
        # Who has not been timed yet counts as fast.
        quickness = (1 + fastest_ms) / (1 + one.latency_ms) if one.samples else 1.0
        score = success * rate + cost * (1 - one.cost / amount) + latency * quickness
        variance = success * success * rate * (1 - rate) / evidence
        found.append(Scored(-round(score * PER_MILLION), one.priority, one.psp_account_id, variance))
    found.sort()
    return found


def _common_rate(eligible: Sequence[Candidate]) -> float:
    approved = sum([one.samples * one.success_ppm for one in eligible]) / PER_MILLION
    return (approved + BASE_RATE * BASE_SAMPLES) / (sum([one.samples for one in eligible]) + BASE_SAMPLES)


def to_explore(ranking: Sequence[Scored], seed: int, exploration_percent: int) -> int:
    """The place in ``ranking`` that the payment goes to: 0, or that of an account to be learned about.

    The bound is divided among all but the best; each uses as much of its part as it has appetite for.
    """
    others = len(ranking) - 1
    bound = exploration_percent / 100
    if others < 1 or bound == 0:
        return 0
    chance = draw(seed, "explore")
    if chance >= bound:
        return 0
    part, position = divmod(chance / bound * others, 1)
    place = min(1 + int(part), others)
    return place if position < _appetite(ranking[0], ranking[place]) else 0


def _appetite(best: Scored, other: Scored) -> float:
    """Twice the probability that ``other`` is better, so 1 for one that is as good; at least a little."""
    deviation = PER_MILLION * math.sqrt(best.variance + other.variance)
    if deviation == 0:
        return APPETITE_MIN
    return max(APPETITE_MIN, math.erfc((other.deficit - best.deficit) / deviation / math.sqrt(2)))
