"""Copies of one document, exchanged in every order: nothing is lost, and nothing counts twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from payflow.store.redis.document_copy import NOTHING, DocumentCopy
from tests.tallies import NAMES, TALLIES, Tally

Document = TypeVar("Document")

COPIES = 3
WHO = st.integers(0, COPIES - 1)
STEPS = st.lists(st.tuples(st.sampled_from(["observe", "read", "propose", "settle"]), WHO), max_size=60)
ROUGH_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["observe", "read", "propose", "settle", "part", "lose", "garble"]),
        WHO,
    ),
    max_size=60,
)


def exchange(copy: DocumentCopy[Document, Any], held: bytes) -> bytes:
    """What is held behind an exchange that nobody disturbs."""
    copy.found(held)
    proposal = copy.propose()
    copy.accepted(proposal)
    return proposal.proposed


def seen_by_all(copies: Iterable[DocumentCopy[Any, Any]], held: bytes) -> None:
    for copy in copies:
        copy.found(held)


@given(steps=STEPS)
def test_every_observation_counts_once_for_everybody(steps: list[tuple[str, int]]) -> None:
    """``propose`` and ``settle`` are two steps, between which another may change what is held."""
    copies = [DocumentCopy("key", TALLIES) for _ in range(COPIES)]
    proposals = {number: copy.propose() for number, copy in enumerate(copies)}
    held, observed = NOTHING, 0
    for step, who in steps:
        copy = copies[who]
        match step:
            case "observe":
                before = copy.document.count
                copy.observe(1)
                observed += 1
                assert copy.document.count == before + 1
            case "read":
                copy.found(held)
                proposals[who] = copy.propose()
            case "propose":
                proposals[who] = copy.propose()
            case "settle" if proposals[who].held == held:
                held = proposals[who].proposed
                copy.accepted(proposals[who])
                proposals[who] = copy.propose()
            case "settle":
                copy.found(held)
                proposals[who] = copy.propose()
    for copy in [*copies, *copies]:
        held = exchange(copy, held)
    assert [copy.document for copy in copies] == [Tally(observed)] * COPIES
    assert not any(copy.has_news for copy in copies)


@given(steps=ROUGH_STEPS)
def test_nothing_is_lost_by_parting_or_when_what_is_held_vanishes(steps: list[tuple[str, int]]) -> None:
    """All see that it vanished: what one writes in its place before another looks is news to that one."""
    copies = [DocumentCopy("key", NAMES) for _ in range(COPIES)]
    held, observed = NOTHING, set()
    for number, (step, who) in enumerate(steps):
        copy = copies[who]
        match step:
            case "observe":
                copy.observe(f"{number}")
                observed.add(f"{number}")
            case "read":
                copy.found(held)
            case "settle":
                held = exchange(copy, held)
            case "part":
                copy.went_alone(copy.propose())
            case "lose":
                held = NOTHING
                seen_by_all(copies, held)
            case "garble":
                held = held[:-1] + b"\xff"
                seen_by_all(copies, held)
        assert set(copy.document.seen) <= observed
    for copy in [*copies, *copies]:
        held = exchange(copy, held)
    assert [set(copy.document.seen) for copy in copies] == [observed] * COPIES
