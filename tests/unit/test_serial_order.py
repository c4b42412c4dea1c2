from __future__ import annotations

from itertools import pairwise

import pytest

from tests.torture.serial_order import contradiction

INFINITY = float("inf")


def test_nothing_has_an_order() -> None:
    assert contradiction([], [], []) == []


def test_overlapping_points_may_come_in_the_order_that_was_seen() -> None:
    assert contradiction([1, 2], [4, 3], [(0, 1)]) == []
    assert contradiction([1, 2], [4, 3], [(1, 0)]) == []


def test_what_was_answered_before_the_other_was_asked_for_comes_first() -> None:
    assert contradiction([1, 3], [2, 4], [(0, 1)]) == []
    assert contradiction([1, 3], [2, 4], [(1, 0)]) == [1, 0]


def test_an_answer_and_a_request_at_one_instant_may_come_either_way() -> None:
    assert contradiction([1, 2], [2, 3], [(1, 0)]) == []


def test_real_time_counts_through_points_in_between() -> None:
    # 2 before 1 before 0, where 1 is open all the time.
    assert contradiction([1, 0, 3], [2, 9, 4], [(2, 1), (1, 0)]) == [2, 1, 0]


def test_what_was_never_answered_may_come_at_any_time_after_its_request() -> None:
    assert contradiction([1, 3], [INFINITY, 4], [(1, 0)]) == []
    assert contradiction([5, 3], [INFINITY, 4], [(0, 1)]) == [0, 1]


def test_a_circle_has_no_order() -> None:
    chain = contradiction([1, 1, 1], [9, 9, 9], [(0, 1), (1, 2), (2, 0)])
    assert chain[0] == chain[-1] and sorted(chain[1:]) == [0, 1, 2]


def test_what_lies_behind_a_circle_is_not_mistaken_for_it() -> None:
    chain = contradiction([1, 1, 1], [9, 9, 2], [(0, 1), (1, 0), (1, 2)])
    assert {0, 1} <= set(chain)


def test_an_edge_that_is_told_twice_counts_twice_and_is_taken_away_twice() -> None:
    assert contradiction([1, 1], [2, 2], [(0, 1), (0, 1)]) == []


@pytest.mark.parametrize("broken", [False, True])
def test_a_long_history_one_after_the_other(broken: bool) -> None:
    points = 20_000
    edges = list(pairwise(range(points)))
    if broken:
        edges.append((15_000, 5_000))
    chain = contradiction([2.0 * n for n in range(points)], [2.0 * n + 1 for n in range(points)], edges)
    assert bool(chain) is broken
