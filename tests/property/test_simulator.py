"""Whatever a caller asks of the simulated PSP, in whatever order: its effects stay within its rules."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.psp.simulator.acquirer import Acquirer
from payflow.psp.simulator.answers import KEY_REUSED, Answer, ShutOut
from payflow.psp.simulator.behaviour import Behaviour
from payflow.psp.simulator.cards import CARDS
from payflow.psp.simulator.database import Database, Execution
from payflow.psp.simulator.requests import Instruction, Key, Operation

WINDOW = timedelta(seconds=50)
REFERENCES = [f"key-{number}" for number in range(12)]

KEYS = st.builds(Key, st.just("acc"), st.just("m"), st.sampled_from(REFERENCES))
INSTRUCTIONS = st.builds(
    Instruction,
    st.just("acc"),
    st.just("m"),
    st.sampled_from(REFERENCES),
    st.sampled_from([30, 60, 100]),
    st.sampled_from(["USD", "USD", "USD", "EUR"]),
    st.sampled_from(["pm_card_visa", "pm_card_visa", *sorted(CARDS)]),
    st.sampled_from(["sim_pay_1", "sim_pay_1", "sim_pay_2"]),
    st.booleans(),
)
REQUESTS = st.tuples(st.sampled_from(Operation), INSTRUCTIONS)
PAUSES = st.integers(1, 60).map(lambda seconds: timedelta(seconds=seconds))
STEPS = st.one_of(REQUESTS, REQUESTS, REQUESTS, PAUSES, KEYS)
# Most random orders never get as far as a refund: one payment has been captured before they begin.
OPENING = [
    (Operation.AUTHORIZE, Instruction("acc", "m", "key-0", 100, "USD", "pm_card_visa")),
    (Operation.CAPTURE, Instruction("acc", "m", "key-1", 60, "USD", payment_id="sim_pay_1")),
]

Step = tuple[Operation, Instruction] | timedelta | Key


@pytest.mark.parametrize("opened", [0, len(OPENING)])
@given(random_steps=st.lists(STEPS, min_size=10, max_size=40))
def test_effects_stay_within_the_rules(opened: int, random_steps: list[Step]) -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    ids = count(1)
    database = Database(Path(":memory:"))
    behaviour = Behaviour(key_window_s=WINDOW.total_seconds())
    acquirer = Acquirer(database, lambda: now, lambda: str(next(ids)), behaviour)
    answered: dict[str, tuple[datetime, tuple[Operation, Instruction], Answer]] = {}
    shut_out: set[str] = set()
    for step in [*OPENING[:opened], *random_steps]:
        if isinstance(step, timedelta):
            now += step
        elif isinstance(step, Key):
            assert (acquirer.shut_out(step) == ShutOut()) == (step.reference not in answered)
            if step.reference not in answered:
                shut_out.add(step.reference)
        else:
            reference = step[1].reference
            answer = acquirer.execute(*step)
            if reference in shut_out:
                assert answer == ShutOut()
            elif reference in answered and now < answered[reference][0] + WINDOW:
                _, first, kept = answered[reference]
                assert answer == (kept if first == step else KEY_REUSED)
            else:
                answered[reference] = now, step, answer
    executions = acquirer.executions(0, 1000, moved_only=False)
    database.close()
    assert {execution.reference for execution in executions} == set(answered)
    _no_key_was_executed_twice_inside_its_window(executions)
    _no_payment_moved_more_than_it_had(executions)


def _no_key_was_executed_twice_inside_its_window(executions: list[Execution]) -> None:
    times: dict[str, list[datetime]] = defaultdict(list)
    for execution in executions:
        times[execution.reference].append(execution.executed_at)
        assert execution.execution == len(times[execution.reference])
    for executed_at in times.values():
        assert all(later - earlier >= WINDOW for earlier, later in pairwise(executed_at))


def _no_payment_moved_more_than_it_had(executions: list[Execution]) -> None:
    moved: dict[str, list[Execution]] = defaultdict(list)
    for execution in executions:
        if execution.result == "approved":
            moved[execution.payment_id].append(execution)
    for movements in moved.values():
        assert len({movement.currency for movement in movements}) == 1
        held = [movement.amount for movement in movements if movement.operation in ("authorize", "sale")]
        taken = [movement.amount for movement in movements if movement.operation in ("capture", "sale")]
        canceled = [movement for movement in movements if movement.operation == "cancel"]
        refunds = [movement.amount for movement in movements if movement.operation == "refund"]
        assert len(held) <= 1
        assert len(taken) + len(canceled) <= 1
        assert sum(refunds) <= sum(taken) <= sum(held)
