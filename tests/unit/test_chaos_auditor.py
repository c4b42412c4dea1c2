"""The auditor of the chaos runs: what it finds when one thing of a clean run is told differently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from tests.chaos.auditor import audit
from tests.chaos.bugs.every import BUGS
from tests.chaos.evidence import Effect, Evidence, Wrong
from tests.chaos.simulation import simulate

SEED = 1
PAYMENTS = 12
Row = Mapping[str, Any]


@cache
def clean() -> Evidence:
    return simulate(SEED, PAYMENTS)


def first_effect(evidence: Evidence, **changes: Any) -> Evidence:
    first, *others = evidence.effects
    return replace(evidence, effects=[replace(first, **changes), *others])


def moved_early(evidence: Evidence) -> Evidence:
    return first_effect(evidence, at=evidence.effects[0].at - timedelta(days=1))


def moved_otherwise(evidence: Evidence) -> Evidence:
    return first_effect(evidence, currency="USD")


def moved_again(evidence: Evidence) -> Evidence:
    return first_effect(evidence, execution=2)


def moved_and_lost(evidence: Evidence) -> Evidence:
    return replace(evidence, effects=[one for one in evidence.effects if not _takes(one)])


def entry(evidence: Evidence, role: str, **changes: Any) -> Evidence:
    entries = list(evidence.entries)
    at = next(at for at, one in enumerate(entries) if f":{role}:" in one["account_id"] and _posted(one))
    entries[at] = {**entries[at], **changes}
    return replace(evidence, entries=entries)


def owed_more(evidence: Evidence) -> Evidence:
    return entry(evidence, "merchant_payable", amount=-1_000_000)


def in_another_transaction(evidence: Evidence) -> Evidence:
    return entry(evidence, "merchant_payable", transaction_id="txn_unknown")


def event_missing(evidence: Evidence) -> Evidence:
    intent_id = evidence.intents[0]["id"]
    first = next(at for at, one in enumerate(evidence.events) if one["aggregate_id"] == intent_id)
    return replace(evidence, events=[one for at, one in enumerate(evidence.events) if at != first + 1])


def row_changed(evidence: Evidence) -> Evidence:
    first, *others = evidence.intents
    return replace(evidence, intents=[{**first, "authorized_amount": -1}, *others])


def ending_missing(evidence: Evidence) -> Evidence:
    """As if nobody had written down that a payment was captured."""
    last = max(at for at, one in enumerate(evidence.events) if one["type"] == "payment_intent.captured")
    return replace(evidence, events=[one for at, one in enumerate(evidence.events) if at != last])


def notice_refused(evidence: Evidence) -> Evidence:
    return replace(evidence, refused=["pi_1: does not fit"])


def broken(evidence: Evidence) -> Evidence:
    return replace(evidence, broken=["ValueError: no"])


TOLD_DIFFERENTLY: dict[Callable[[Evidence], Evidence], Wrong] = {
    moved_early: Wrong.EFFECT_BEFORE_ATTEMPT,
    moved_otherwise: Wrong.EFFECT_DIFFERS,
    moved_again: Wrong.EXECUTED_TWICE,
    moved_and_lost: Wrong.CLEARING_DIFFERS,
    owed_more: Wrong.PAYABLE_DIFFERS,
    in_another_transaction: Wrong.BOOKED_OTHERWISE,
    event_missing: Wrong.EVENT_GAP,
    row_changed: Wrong.ROW_DIFFERS,
    ending_missing: Wrong.LEFT_OPEN,
    notice_refused: Wrong.NOTICE_REFUSED,
    broken: Wrong.BROKEN,
}


def test_a_clean_run_is_clean() -> None:
    assert audit(clean()) == []


@pytest.mark.parametrize("told", TOLD_DIFFERENTLY, ids=lambda told: told.__name__)
def test_it_finds_what_is_told_differently(told: Callable[[Evidence], Evidence]) -> None:
    assert TOLD_DIFFERENTLY[told] in {finding.wrong for finding in audit(told(clean()))}


def test_what_does_not_sum_to_zero_is_unbalanced() -> None:
    assert Wrong.UNBALANCED in {finding.wrong for finding in audit(owed_more(clean()))}


def test_everything_that_it_can_find_is_tried() -> None:
    tried = {*TOLD_DIFFERENTLY.values(), *(bug.caught_by for bug in BUGS), Wrong.UNBALANCED}
    assert set(Wrong) - tried == set()


def _takes(effect: Effect) -> bool:
    return effect.operation in ("capture", "sale")


def _posted(line: Row) -> bool:
    return bool(line["layer"] == "POSTED")
