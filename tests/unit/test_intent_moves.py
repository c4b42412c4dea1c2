"""Every state that commands can bring a payment intent to, searched through: the moves are the contract's."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from payflow.domain.errors import Reason
from payflow.domain.folding.submission import Applied, Refused
from payflow.domain.folding.working_set import WorkingSet
from payflow.domain.intent.commands import (
    IntentCommand,
    ReverseCapture,
    ReverseRefund,
    StartAuthorize,
    StartCancel,
    StartCapture,
    StartRefund,
)
from payflow.domain.intent.state import CancellationReason, CaptureMethod, IntentAggregate
from payflow.domain.intent.status import ALLOWED, INTENT_MOVES, IntentStatus, mermaid, require_allowed
from payflow.domain.merchant.commands import SIMULATOR
from payflow.domain.psp_outcome import (
    ActionRequired,
    Approved,
    Declined,
    Failure,
    NextAction,
    NotExecuted,
    Outcome,
    Unknown,
)
from tests.core import START, Core, copied, outcome_of
from tests.core_rules import CONTRACT_MOVES

DEPTH_MAX = 8
AMOUNT = 100
FAILURE = Failure("card_declined", "no")
OUTCOMES: tuple[Outcome, ...] = (
    Approved("psp-1", START),
    ActionRequired("psp-1", NextAction("redirect")),
    Declined(FAILURE),
    Declined(Failure("try_again", "not now", retryable=True)),
    NotExecuted(FAILURE),
    Unknown("timed out"),
)

Move = tuple[str, str]


def commands(aggregate: IntentAggregate) -> Iterator[IntentCommand]:
    intent = aggregate.intent
    scoped = (intent.merchant_id, intent.id)
    yield StartAuthorize(*scoped, SIMULATOR)
    yield from (StartCapture(*scoped, amount) for amount in (None, 60))
    yield from (StartCancel(*scoped, reason) for reason in CancellationReason)
    yield from (StartRefund(*scoped, amount) for amount in (None, 60))
    yield ReverseCapture(*scoped, FAILURE)
    yield from (ReverseRefund(*scoped, refund_id, FAILURE) for refund_id in aggregate.refunds)
    for attempt in aggregate.attempts.values():
        if attempt.is_open:
            yield from (outcome_of(intent.merchant_id, attempt, outcome) for outcome in OUTCOMES)


def shape(aggregate: IntentAggregate) -> object:
    """What decides how an intent may go on; two states of one shape need not both be searched."""
    intent = aggregate.intent
    operation = intent.operation
    return (
        intent.status,
        (operation.type, operation.resumes, operation.cancellation_reason) if operation else None,
        intent.capture_method,
        intent.captured_amount,
        tuple((one.amount, one.status) for one in aggregate.refunds.values()),
        tuple(one.state for one in aggregate.attempts.values() if one.is_open),
    )


def moves_from(core: Core, start: WorkingSet, scoped: tuple[str, str]) -> Iterator[tuple[Move, WorkingSet]]:
    aggregate = start.intents[scoped]
    for command in commands(aggregate):
        core.working = copied(start)
        result = core.run(command)
        if isinstance(result, Refused):
            assert result.error.reason is not Reason.INTERNAL, command
        else:
            status = core.aggregate(*scoped).intent.status
            yield (aggregate.intent.status.value, status.value), core.working


def search(capture_method: CaptureMethod) -> set[Move]:
    core = Core()
    core.add_merchant("shop")
    assert isinstance(core.fold(core.creation("shop", AMOUNT, capture_method=capture_method)), Applied)
    [scoped] = core.working.intents
    waiting = deque([(core.working, 0)])
    seen: set[object] = set()
    moves: set[Move] = set()
    while waiting:
        working, depth = waiting.popleft()
        if shape(working.intents[scoped]) in seen or depth > DEPTH_MAX:
            continue
        seen.add(shape(working.intents[scoped]))
        for move, after in moves_from(core, working, scoped):
            moves.add(move)
            waiting.append((after, depth + 1))
    assert len(seen) > 10
    return {move for move in moves if move[0] != move[1]}


def test_reachable_moves_are_those_of_the_contract() -> None:
    reached = search(CaptureMethod.MANUAL) | search(CaptureMethod.AUTOMATIC)
    assert reached == CONTRACT_MOVES


def test_table_is_the_contract() -> None:
    assert {(source.value, target.value) for source, target in ALLOWED} == CONTRACT_MOVES
    assert len(INTENT_MOVES) == len(ALLOWED)


@pytest.mark.parametrize("source", IntentStatus)
@pytest.mark.parametrize("target", IntentStatus)
def test_guard_refuses_every_other_move(source: IntentStatus, target: IntentStatus) -> None:
    if source is target or (source, target) in CONTRACT_MOVES:
        require_allowed(source, target)
    else:
        with pytest.raises(ValueError, match=f"never moves from {source} to {target}"):
            require_allowed(source, target)


def test_design_document_shows_the_table() -> None:
    document = (Path(__file__).parents[2] / "docs" / "DESIGN.md").read_text()
    _, _, rest = document.partition("<!-- intent-moves -->\n")
    section, end, _ = rest.partition("<!-- /intent-moves -->")
    assert end, "docs/DESIGN.md has lost its markers"
    assert section.strip() == f"```mermaid\n{mermaid()}\n```"
