from __future__ import annotations

from collections import Counter

from payflow.domain.routing.candidate import Candidate
from payflow.domain.routing.draws import seed_of
from payflow.domain.routing.rules import Weights
from payflow.domain.routing.scoring import ranked, to_explore

AMOUNT = 10_000
GOOD = Candidate("good", "x", 0, None, 100, 200, 950_000, 300)


def order(*candidates: Candidate, weights: Weights | None = None) -> list[str]:
    return [account_id for _, _, account_id in ranked(candidates, AMOUNT, weights or Weights())]


def test_more_approvals_are_better_and_lower_cost_and_latency() -> None:
    approves_less = Candidate("other", "x", 0, None, 100, 200, 900_000, 300)
    costs_less = Candidate("other", "x", 0, None, 50, 200, 950_000, 300)
    is_faster = Candidate("other", "x", 0, None, 100, 200, 950_000, 100)
    assert order(approves_less, GOOD) == ["good", "other"]
    assert order(GOOD, costs_less) == ["other", "good"]
    assert order(GOOD, is_faster) == ["other", "good"]


def test_a_hundredth_of_the_amount_counts_like_five_points_of_approval() -> None:
    plenty = 1_000_000
    dear = Candidate("dear", "x", 0, None, 200, plenty, 960_000, 0)
    cheap = Candidate("cheap", "x", 0, None, 100, plenty, 920_000, 0)
    cheap_but_bad = Candidate("cheap", "x", 0, None, 100, plenty, 900_000, 0)
    assert order(dear, cheap) == ["cheap", "dear"]
    assert order(dear, cheap_but_bad) == ["dear", "cheap"]


def test_weights_decide_what_counts() -> None:
    cheap_but_bad = Candidate("cheap", "x", 0, None, 10, 200, 500_000, 300)
    assert order(GOOD, cheap_but_bad) == ["good", "cheap"]
    assert order(GOOD, cheap_but_bad, weights=Weights(success=0, cost=1, latency=0)) == ["cheap", "good"]


def test_a_few_approvals_are_not_trusted() -> None:
    lucky = Candidate("lucky", "x", 0, None, 100, 3, 1_000_000, 300)
    bad = Candidate("bad", "x", 0, None, 100, 200, 800_000, 300)
    assert order(lucky, bad, GOOD) == ["good", "lucky", "bad"]


def test_an_account_without_payments_is_taken_for_what_the_others_are() -> None:
    new, bad = Candidate("new", "x", 0, None, 100), Candidate("bad", "x", 0, None, 100, 200, 300_000, 300)
    assert order(new, bad) == ["new", "bad"]


def explored(*candidates: Candidate, percent: int, of: int = 4_000) -> Counter[int]:
    weights = Weights(exploration_percent=percent)
    ranking = ranked(candidates, AMOUNT, weights)
    return Counter(to_explore(ranking, candidates, weights, seed_of(f"pi_{number}")) for number in range(of))


def test_exploration_stays_inside_its_bound_even_among_equals() -> None:
    equals = [Candidate(name, "x", 0, None, 100) for name in "abcd"]
    places = explored(*equals, percent=5)
    # 5 % of 4,000 are 200; five standard deviations are 69.
    assert 131 < sum(places[place] for place in (1, 2, 3)) < 269
    assert min(places[place] for place in (1, 2, 3)) > 20


def test_the_better_another_is_known_to_be_worse_the_less_it_is_explored_but_it_always_is() -> None:
    unknown = Candidate("other", "x", 0, None, 100, 5, 900_000, 300)
    worse = Candidate("other", "x", 0, None, 100, 200, 500_000, 300)
    of_unknown, of_worse = explored(GOOD, unknown, percent=20)[1], explored(GOOD, worse, percent=20)[1]
    assert 0 < of_worse < of_unknown
    # A floor of 30 % of the 20 %, and five standard deviations.
    assert abs(of_worse - 240) < 76


def test_nothing_is_explored_where_nothing_may_be_or_nobody_else_is_there() -> None:
    assert explored(GOOD, Candidate("other", "x", 0), percent=0, of=100) == {0: 100}
    assert explored(GOOD, percent=20, of=100) == {0: 100}
