from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from payflow.domain.routing.draws import seed_of
from payflow.domain.routing.experiment import Arm, Experiment, Guardrail
from payflow.domain.routing.guardrail import ALPHA, Decided, harms
from payflow.domain.routing.intervals import Interval, difference, rate
from payflow.domain.routing.results import Tally, harmful_arm, results_of
from tests.core import START

THIRDS = (Arm("control", 50), Arm("score", 30), Arm("split", 20))
EXPERIMENT = Experiment("exp_1", "shop", "", THIRDS, Guardrail(), 1, START)
PAYMENTS = 6_000


def arms(experiment: Experiment) -> list[str]:
    return [experiment.arm_of(seed_of(f"pi_{number}")).name for number in range(PAYMENTS)]


def within(count: int, share: float, of: int) -> bool:
    """Whether five standard deviations of a fair draw hold it."""
    return abs(count - share * of) < 5 * math.sqrt(of * share * (1 - share))


def test_a_payment_stays_in_its_arm_and_arms_get_their_shares() -> None:
    assigned = arms(EXPERIMENT)
    assert assigned == arms(EXPERIMENT)
    for arm in THIRDS:
        assert within(assigned.count(arm.name), arm.share_percent / 100, PAYMENTS)


def test_experiments_are_independent_of_each_other() -> None:
    one, other = arms(EXPERIMENT), arms(replace(EXPERIMENT, id="exp_2"))
    both = sum(a == b == "control" for a, b in zip(one, other, strict=True))
    assert within(both, 0.25, PAYMENTS)


@pytest.mark.parametrize(
    ("successes", "trials", "lower", "upper"),
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_rate_is_the_published_one(
    successes: int, trials: int, lower: float, upper: float
) -> None:
    found = rate(successes, trials)
    assert found.estimate == successes / trials
    assert (round(found.lower, 4), round(found.upper, 4)) == (lower, upper)


@pytest.mark.parametrize(
    ("one", "other", "lower", "upper"),
    # Newcombe, "Interval estimation for the difference between independent proportions" (1998), table II,
    # method 10.
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_the_published_one(
    one: tuple[int, int], other: tuple[int, int], lower: float, upper: float
) -> None:
    found = difference(rate(*one), rate(*other))
    assert (round(found.lower, 4), round(found.upper, 4)) == (lower, upper)


def test_of_nothing_nothing_is_known() -> None:
    assert rate(0, 0) == Interval(0.0, 0.0, 1.0)


def stopped_at(approvals: tuple[float, float], guardrail: Guardrail, seed: int, looks: int) -> int | None:
    """The look, one every 100 payments of each arm, that ended it; None where none did."""
    chance = random.Random(seed)
    counts = [[0, 0], [0, 0]]
    for look in range(1, looks + 1):
        for arm, approval in zip(counts, approvals, strict=True):
            approved = sum(chance.random() < approval for _ in range(100))
            arm[0] += approved
            arm[1] += 100 - approved
        if harms(Decided(*counts[0]), Decided(*counts[1]), guardrail):
            return look
    return None


def test_the_guardrail_leaves_equals_alone_however_often_it_looks() -> None:
    """Without a margin, which is the hardest: two-sided at ALPHA, so half of it is what to expect at most."""
    guardrail = Guardrail(margin_bps=0, samples_min=100)
    runs = 200
    alarms = sum(stopped_at((0.9, 0.9), guardrail, seed, looks=40) is not None for seed in range(runs))
    assert alarms <= ALPHA * runs
    assert not any(stopped_at((0.9, 0.9), Guardrail(), seed, looks=40) for seed in range(40))


def test_the_guardrail_ends_what_harms() -> None:
    looks = [stopped_at((0.92, 0.80), Guardrail(), seed, looks=40) for seed in range(40)]
    assert None not in looks
    assert sorted(look for look in looks if look)[20] <= 10


def test_the_guardrail_waits_for_its_samples_and_allows_its_margin() -> None:
    bad, good = Decided(50, 50), Decided(99, 1)
    assert harms(good, bad, Guardrail(samples_min=100))
    assert not harms(good, bad, Guardrail(samples_min=101))
    assert not harms(good, bad, Guardrail(margin_bps=4_900, samples_min=100))
    assert not harms(bad, good, Guardrail(samples_min=100))


def test_results_count_every_currency_and_compare_with_the_control() -> None:
    tallies = {
        "control": [Tally("EUR", 110, 60, 40, 6_000, 90), Tally("USD", 400, 300, 100, 30_000, 871)],
        "score": [Tally("USD", 500, 250, 250, 25_000, 250)],
    }
    control, score, split = results_of(EXPERIMENT, tallies)
    assert control.decided == Decided(360, 140)
    assert (control.assigned, control.difference) == (510, None)
    assert control.approval_rate == rate(360, 500)
    assert [(one.mean_cost, one.cost_bps) for one in control.tallies] == [(2, 150), (3, 290)]
    assert score.difference == difference(rate(250, 500), rate(360, 500))
    assert (split.assigned, split.tallies, split.approval_rate) == (0, (), rate(0, 0))
    assert harmful_arm((control, score, split), Guardrail()) == "score"
    assert harmful_arm((control, control, split), Guardrail()) == ""
