"""Payments that nobody could tell of are found as soon as their PSP is back, and a sick PSP is spared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from payflow.domain.psp_outcome import Unknown
from payflow.v1 import payment_intent_pb2 as pb
from server.worker.expediting import PAUSES, Expediting
from server.worker.payments import EXPEDITING_EVERY_S
from tests.databases import Database
from tests.in_process import InProcess, in_process


@pytest.fixture
def payflow(new_database: Callable[[], Database], tmp_path: Path) -> Iterator[InProcess]:
    with in_process(new_database(), tmp_path) as running:
        yield running


def _unknown_capture(payflow: InProcess) -> str:
    """A capture that never arrived."""
    intent_id = str(payflow.caller.create().id)
    payflow.caller.authorize(intent_id)
    payflow.simulator.behave(faults={"timeout_before": 1})
    payflow.caller.capture(intent_id)
    return intent_id


def test_what_never_arrived_is_repeated_at_once_when_its_psp_is_back(payflow: InProcess) -> None:
    intent_id = _unknown_capture(payflow)
    expediting = Expediting(payflow.core.ports)
    assert expediting.round() == 0
    payflow.simulator.behave()
    assert expediting.round() == 1
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_CAPTURED


def test_a_psp_that_answers_look_ups_and_nothing_else_is_spared_repeats(
    payflow: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent_id = _unknown_capture(payflow)
    payflow.simulator.behave()
    expediting = Expediting(payflow.core.ports)
    minutes_s = 600
    rounds = int(minutes_s / EXPEDITING_EVERY_S)
    with monkeypatch.context() as sick:
        sick.setattr(payflow.connector, "execute", lambda call: Unknown("timed out"))
        repeats = 0
        for _ in range(rounds):
            repeats += expediting.round()
            payflow.clock.forward(seconds=EXPEDITING_EVERY_S)
    assert 2 <= repeats <= len(PAUSES) + minutes_s / PAUSES[-1].total_seconds() < rounds
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_PROCESSING
    payflow.clock.forward(seconds=minutes_s)
    expediting.round()
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_CAPTURED
