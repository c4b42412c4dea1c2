from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.stored_event import StoredEvent
from payflow.events.relay import publishing_order
from payflow.events.relay.publishing_order import PublishingOrder
from tests.core import START

EVENT = StoredEvent("shop", "pi_1", 1, "payment_intent.created", 1, b"", START, "a", "c", "d", "")
STEPS = st.lists(st.tuples(st.sampled_from(["pi_1", "pi_2"]), st.integers(1, 6)), max_size=40)


def _event(aggregate_id: str, version: int) -> StoredEvent:
    return replace(EVENT, aggregate_id=aggregate_id, aggregate_version=version)


@given(STEPS)
def test_what_is_admitted_has_no_gaps_in_its_first_occurrences(steps: list[tuple[str, int]]) -> None:
    order = PublishingOrder()
    first: dict[str, list[int]] = {"pi_1": [], "pi_2": []}
    for aggregate_id, version in steps:
        before = first[aggregate_id]
        admitted = order.admits(_event(aggregate_id, version))
        assert admitted == (not before or version <= before[-1] + 1)
        if admitted and (not before or version > before[-1]):
            before.append(version)
    for versions in first.values():
        assert versions == list(range(versions[0], versions[0] + len(versions))) if versions else True


def test_aggregates_of_different_merchants_are_different_ones() -> None:
    order = PublishingOrder()
    assert order.admits(_event("account:cash", 1))
    assert order.admits(replace(_event("account:cash", 9), merchant_id="stall"))


def test_behind_what_is_forgotten_anything_may_come() -> None:
    order = PublishingOrder()
    order.admits(_event("pi_1", 1))
    assert not order.admits(_event("pi_1", 3))
    order.forget(("shop", "pi_1"))
    assert order.admits(_event("pi_1", 3))
    assert not order.admits(_event("pi_1", 5))
    order.forget_all()
    assert order.admits(_event("pi_1", 5))


def test_what_is_remembered_is_bounded() -> None:
    order = PublishingOrder()
    for number in range(publishing_order.AGGREGATES_MAX + 1):
        order.admits(_event(f"pi_{number}", 1))
    assert order.admits(_event("pi_1", 9))
    last = _event(f"pi_{publishing_order.AGGREGATES_MAX}", 3)
    assert not order.admits(last)
