"""However a log is delivered, redelivered and interrupted, each event is applied once and in order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from payflow.domain.folding.working_set import MerchantScoped
from payflow.events.consumer.sorting_out import aggregate_of, sort_out
from payflow.events.published_event import PublishedEvent
from tests.effects import MERCHANT, event

AGGREGATES = ("pi_1", "pi_2", "pi_3")


class Log(RuleBasedStateMachine):
    """A log that grows, members that read any stretch of what was committed and behind, and dead letters.

    A batch takes effect whole or not at all. What was dealt with up to a position moves the group there, or
    that is lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log: list[PublishedEvent] = []
        self.committed = 0
        self.applied: dict[MerchantScoped, int] = {}
        self.letters: dict[MerchantScoped, list[int]] = {}
        self.effects: dict[str, list[int]] = {name: [] for name in AGGREGATES}
        self.poison: set[str] = set()

    @rule(name=st.sampled_from(AGGREGATES), is_poison=st.booleans())
    def happens(self, name: str, is_poison: bool) -> None:
        version = sum(one.aggregate_id == name for one in self.log) + 1
        self.log.append(event(name, version))
        if is_poison and version % 3 == 0:
            self.poison.add(f"{name}:{version}")

    @rule(back=st.integers(0, 5), size=st.integers(1, 8), is_noted=st.booleans())
    def delivers(self, back: int, size: int, is_noted: bool) -> None:
        start = max(0, self.committed - back)
        batch = self.log[start : start + size]
        if self._apply(batch) is False:
            for one in batch:
                if self._apply([one]) is False:
                    self.letters[aggregate_of(one)] = [one.aggregate_version]
        if is_noted:
            self.committed = start + len(batch)

    @precondition(lambda self: self.letters)
    @rule(chosen=st.data())
    def is_mended(self, chosen: st.DataObject) -> None:
        aggregate = chosen.draw(st.sampled_from(sorted(self.letters)))
        for version in sorted(self.letters.pop(aggregate)):
            self.poison.discard(f"{aggregate[1]}:{version}")
            assert self._apply([event(aggregate[1], version)])

    @invariant()
    def what_took_effect_is_a_history_without_gaps(self) -> None:
        for versions in self.effects.values():
            assert versions == list(range(1, len(versions) + 1))

    def teardown(self) -> None:
        for aggregate in sorted(self.letters):
            self.poison -= {f"{aggregate[1]}:{version}" for version in self.letters[aggregate]}
        for aggregate in list(self.letters):
            for version in sorted(self.letters.pop(aggregate)):
                self._apply([event(aggregate[1], version)])
        self.poison.clear()
        self._apply(self.log[self.committed :])
        for name, versions in self.effects.items():
            assert len(versions) == sum(one.aggregate_id == name for one in self.log)

    def _apply(self, batch: list[PublishedEvent]) -> bool:
        found = sort_out(batch, self.applied, self.letters)
        if any(one.id in self.poison for one in found.fresh):
            return False
        assert found.gaps == 0
        for one in found.waiting:
            kept = self.letters[aggregate_of(one)]
            if one.aggregate_version not in kept:
                kept.append(one.aggregate_version)
        for one in found.fresh:
            self.effects[one.aggregate_id].append(one.aggregate_version)
        self.applied |= found.versions
        return True


TestLog = Log.TestCase
TestLog.settings = settings(max_examples=40, stateful_step_count=30)


@given(st.lists(st.tuples(st.sampled_from(AGGREGATES), st.integers(1, 6)), max_size=30), st.integers(0, 6))
def test_every_event_is_fresh_waiting_or_a_duplicate(batch: list[tuple[str, int]], last: int) -> None:
    events = [event(*one) for one in batch]
    found = sort_out(events, {(MERCHANT, "pi_1"): last}, {(MERCHANT, "pi_2")})
    assert len(found.fresh) + len(found.waiting) + found.duplicates == len(events)
    assert {one.aggregate_id for one in found.waiting} <= {"pi_2"}
    for name in AGGREGATES:
        versions = [one.aggregate_version for one in found.fresh if one.aggregate_id == name]
        assert versions == sorted(set(versions))
        assert name != "pi_1" or all(version > last for version in versions)
        if versions:
            assert found.versions[MERCHANT, name] == versions[-1]
