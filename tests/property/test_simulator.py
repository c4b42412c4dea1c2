"""Whatever a caller asks of the simulated PSP, in whatever order: its effects stay within its rules."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payflow.psp.simulator.answers import KEY_REUSED, Answer, Approved, Declined, ShutOut
from payflow.psp.simulator.effects import Effect
from payflow.psp.simulator.executions import Execution
from payflow.psp.simulator.requests import Instruction, Key, Operation
from payflow.psp.simulator.tokens import TOKENS
from tests.simulated_bank import WINDOW, Bank, opened_bank

REFERENCES = [f"key-{number}" for number in range(12)]
FLOWS = 5
CHAOS = {
    "declines": {"probability": 0.2, "codes": {"acquirer_error": 1, "card_declined": 3}},
    "late_success": {"probability": 0.2, "after_s": 5},
    "deferred": {"probability": 0.4, "failing": 0.3, "after_s": 7},
    "later_failures": {"captures": 0.4, "refunds": 0.4, "after_s": 20},
}

KEYS = st.builds(Key, st.just("acc"), st.just("m"), st.sampled_from(REFERENCES))
INSTRUCTIONS = st.builds(
    Instruction,
    st.just("acc"),
    st.just("m"),
    st.sampled_from(REFERENCES),
    st.sampled_from([30, 60, 100]),
    st.sampled_from(["USD", "USD", "USD", "EUR"]),
    st.sampled_from(["pm_card_visa", "pm_card_visa", *sorted(TOKENS)]),
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


@settings(max_examples=50)
@pytest.mark.parametrize("opened", [0, len(OPENING)])
@pytest.mark.parametrize("chaos", [{}, CHAOS], ids=["calm", "chaos"])
@given(random_steps=st.lists(STEPS, min_size=10, max_size=40), seed=st.integers(0, 1_000))
def test_effects_stay_within_the_rules(
    opened: int, chaos: dict[str, object], random_steps: list[Step], seed: int
) -> None:
    with opened_bank() as bank:
        bank.behave(seed=seed, **chaos)
        answered: dict[str, tuple[datetime, tuple[Operation, Instruction], Answer]] = {}
        shut_out: set[str] = set()
        for step in [*OPENING[:opened], *random_steps]:
            if isinstance(step, timedelta):
                bank.settle(step)
            elif isinstance(step, Key):
                assert (bank.psp.acquirer.shut_out(step) == ShutOut()) == (step.reference not in answered)
                if step.reference not in answered:
                    shut_out.add(step.reference)
            else:
                reference = step[1].reference
                answer = bank.psp.acquirer.execute(*step)
                if reference in shut_out:
                    assert answer == ShutOut()
                elif reference in answered and bank.now < answered[reference][0] + WINDOW:
                    _, first, kept = answered[reference]
                    assert answer == (kept if first == step else KEY_REUSED)
                else:
                    answered[reference] = bank.now, step, answer
        executions = bank.psp.executions.page(0, 1000)
        assert {execution.reference for execution in executions} == set(answered)
        _no_key_was_executed_twice_inside_its_window(executions)
        effects = bank.psp.effects.page(0, 1000)
        _no_payment_moved_more_than_it_had(effects)
        _look_ups_tell_what_moved(bank, set(answered), effects)


def _no_key_was_executed_twice_inside_its_window(executions: list[Execution]) -> None:
    times: dict[str, list[datetime]] = defaultdict(list)
    for execution in executions:
        times[execution.reference].append(execution.executed_at)
        assert execution.execution == len(times[execution.reference])
    for executed_at in times.values():
        assert all(later - earlier >= WINDOW for earlier, later in pairwise(executed_at))


@dataclass
class _Moved:
    """What a payment has moved so far."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    taken: int = 0
    currencies: set[str] = field(default_factory=set)

    def note(self, effect: Effect) -> None:
        sign = {"capture": 1, "sale": 1, "capture_failed": -1, "refund": -1, "refund_failed": 1}
        self.counts[effect.operation] += 1
        self.taken += sign.get(effect.operation, 0) * effect.amount
        self.currencies.add(effect.currency)


def _no_payment_moved_more_than_it_had(effects: list[Effect]) -> None:
    payments: dict[str, _Moved] = defaultdict(_Moved)
    for effect in effects:
        payment = payments[effect.payment_id]
        payment.note(effect)
        counts = payment.counts
        assert counts["authorize"] + counts["sale"] <= 1
        assert counts["capture"] + counts["sale"] + counts["cancel"] <= 1
        assert counts["capture_failed"] <= counts["capture"] + counts["sale"]
        assert counts["refund_failed"] <= counts["refund"]
        assert 0 <= payment.taken <= 100
        assert len(payment.currencies) == 1


def _look_ups_tell_what_moved(bank: Bank, references: set[str], effects: list[Effect]) -> None:
    for reference in references:
        mine = [effect.operation for effect in effects if effect.reference == reference]
        kept = len(mine) - 2 * sum(operation.endswith("_failed") for operation in mine)
        outcome = bank.outcome(reference)
        assert isinstance(outcome, Approved) is bool(kept)
        if isinstance(outcome, Declined) and outcome.after_success:
            assert mine and not kept


@settings(max_examples=30)
@given(order=st.permutations([flow for flow in range(FLOWS) for _ in range(3)]), seed=st.integers(0, 50))
def test_what_happens_by_chance_does_not_depend_on_what_else_goes_on(order: list[int], seed: int) -> None:
    assert _fates(order, seed) == _fates(sorted(order), seed)


def test_another_seed_gives_another_chance() -> None:
    order = sorted([flow for flow in range(FLOWS) for _ in range(3)])
    assert len({str(_fates(order, seed)) for seed in range(10)}) == 10


def _fates(order: list[int], seed: int) -> list[str]:
    """Each flow authorizes, captures and refunds, a step whenever it is its turn; what came of each step."""
    with opened_bank(announces=True) as bank:
        shares = dict.fromkeys(["duplicated", "delayed", "reordered", "dropped", "forged"], 0.3)
        bank.behave(seed=seed, webhooks=shares, **CHAOS)
        answers: dict[int, list[Answer]] = defaultdict(list)
        for flow in order:
            answers[flow].append(_next_step(bank, flow, answers[flow]))
        bank.settle(timedelta(minutes=1))
        fates = [
            f"{flow} was answered {[type(one).__name__ for one in given]}" for flow, given in answers.items()
        ]
        fates += [
            f"{effect.reference}: {effect.operation} {effect.amount}"
            for effect in bank.psp.effects.page(0, 1000)
        ]
        fates += [
            f"{one.reference}: {one.kind} webhook {one.type} at {one.due_at}"
            for one in bank.psp.deliveries.page(0, 1000)
        ]
        return sorted(fates)


def _next_step(bank: Bank, flow: int, before: list[Answer]) -> Answer:
    if not before:
        return bank.ask(Operation.AUTHORIZE, f"authorize-{flow}")
    first = before[0]
    payment_id = first.id if isinstance(first, Approved | Declined) else ""
    operation = Operation.CAPTURE if len(before) == 1 else Operation.REFUND
    return bank.ask(operation, f"{operation}-{flow}", 40 * len(before), payment_id)
