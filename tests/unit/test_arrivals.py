"""What the check of a topic's records finds, and what it lets pass."""

from __future__ import annotations

from tests.relay.arrivals import Arrival, EventKey, Findings, examine

COMMITTED: list[EventKey] = [("shop", "pi_1", 1), ("shop", "pi_1", 2), ("shop", "pi_1", 3), ("m", "pi_1", 1)]


def test_events_that_came_once_each_in_order_are_right() -> None:
    assert _examined(*COMMITTED) == Findings()


def test_an_event_that_comes_again_is_a_duplicate_and_no_fault() -> None:
    first, second, third, other = COMMITTED
    assert _examined(first, second, first, second, third, other, second) == Findings(duplicates=3)


def test_an_event_that_did_not_come_is_missing() -> None:
    assert _examined(*COMMITTED[:2], COMMITTED[3]).missing == [COMMITTED[2]]


def test_an_event_that_overtakes_the_one_before_it_is_out_of_order() -> None:
    first, second, third, other = COMMITTED
    assert _examined(first, third, second, third, other).out_of_order == [third]
    assert _examined(second, first, second, third, other).out_of_order == [second]


def test_an_event_that_nobody_committed_is_found() -> None:
    rolled_back = ("shop", "pi_1", 4)
    assert _examined(*COMMITTED, rolled_back).never_committed == [rolled_back]


def test_an_aggregate_in_two_partitions_or_under_another_key_is_found() -> None:
    right = [Arrival(0, aggregate_id, (merchant, aggregate_id, n)) for merchant, aggregate_id, n in COMMITTED]
    strayed = Arrival(1, "pi_1", COMMITTED[1])
    misnamed = Arrival(0, "pi_2", COMMITTED[1])
    assert examine([*right, strayed], COMMITTED).in_the_wrong_place == [strayed]
    assert examine([*right, misnamed], COMMITTED).in_the_wrong_place == [misnamed]
    assert examine([*right, misnamed], COMMITTED).wrong == [f"1 in the wrong place, such as {misnamed}"]


def _examined(*events: EventKey) -> Findings:
    return examine(
        [Arrival(0, aggregate_id, (m, aggregate_id, n)) for m, aggregate_id, n in events], COMMITTED
    )
