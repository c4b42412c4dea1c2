"""Every state that commands can bring a payment intent to, searched through: the moves are the contract's."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import cast

import pytest

from payflow.domain import declines
from payflow.domain.endpoint import Endpoint
from payflow.domain.errors import Reason
from payflow.domain.folding.submission import Applied, Refused
from payflow.domain.folding.working_set import WorkingSet
from payflow.domain.intent.commands import (
    ApplyNotice,
    IntentCommand,
    ReverseCapture,
    ReverseRefund,
    StartAuthorize,
    StartCancel,
    StartCapture,
    StartRefund,
)
from payflow.domain.intent.events import IntentEvent
from payflow.domain.intent.evolve import evolve
from payflow.domain.intent.state import (
    Attempt,
    AttemptState,
    CancellationReason,
    CaptureMethod,
    IntentAggregate,
)
from payflow.domain.intent.status import ALLOWED, INTENT_MOVES, IntentStatus, mermaid, require_allowed
from payflow.domain.merchant.decide import SIMULATOR
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    Failure,
    NextAction,
    NotExecuted,
    OperationType,
    Outcome,
    Unknown,
)
from tests.core import SECOND, START, Core, copied, outcome_of
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
    Declined(declines.failure("acquirer_error")),
    Accepted("psp-1"),
    Accepted("psp-1", shuts_out=True),
    Unknown("timed out"),
)

Move = tuple[str, str]


def commands(aggregate: IntentAggregate) -> Iterator[IntentCommand]:
    intent = aggregate.intent
    scoped = (intent.merchant_id, intent.id)
    yield StartAuthorize(*scoped, SIMULATOR, fallbacks=(SECOND,))
    yield from (StartCapture(*scoped, amount) for amount in (None, 60))
    yield from (StartCancel(*scoped, reason) for reason in CancellationReason)
    yield from (StartRefund(*scoped, amount) for amount in (None, 60))
    yield ReverseCapture(*scoped, FAILURE)
    yield from (ReverseRefund(*scoped, refund_id, FAILURE) for refund_id in aggregate.refunds)
    for attempt in aggregate.attempts.values():
        if attempt.is_open:
            yield from (
                replace(outcome_of(intent.merchant_id, attempt, outcome), fallback=SECOND)
                for outcome in OUTCOMES
            )
        yield from (notice_about(aggregate, attempt, *told) for told in product(OUTCOMES, (True, False)))
    canceled = Notice(OperationType.CANCEL, Approved("psp-1"), psp_payment_id=intent.psp_payment_id)
    yield ApplyNotice(*scoped, canceled, Endpoint(SIMULATOR, "B" if intent.psp_account_id == SECOND else ""))


def notice_about(
    aggregate: IntentAggregate, attempt: Attempt, outcome: Outcome, after_success: bool
) -> ApplyNotice:
    intent = aggregate.intent
    notice = Notice(attempt.operation, outcome, attempt.psp_key, "psp-1", after_success=after_success)
    return ApplyNotice(
        intent.merchant_id,
        intent.id,
        notice,
        Endpoint(SIMULATOR, "B" if attempt.psp_account_id == SECOND else ""),
        tuple(aggregate.refunds),
    )


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
        any(one.state is AttemptState.NOT_EXECUTED for one in aggregate.attempts.values()),
    )


def moves_from(
    core: Core, start: WorkingSet, scoped: tuple[str, str]
) -> Iterator[tuple[list[Move], WorkingSet]]:
    aggregate = start.intents[scoped]
    for command in commands(aggregate):
        core.working = copied(start)
        result = core.run(command)
        if isinstance(result, Refused):
            assert result.error.reason is not Reason.INTERNAL, command
        else:
            assert isinstance(result, Applied)
            yield moves_of(aggregate, result, core.now), core.working


def moves_of(aggregate: IntentAggregate, applied: Applied, at: datetime) -> list[Move]:
    """The moves of a command's events, of which there may be two."""
    intent, moves = aggregate.intent, []
    for event in applied.events:
        behind = evolve(aggregate, intent.merchant_id, intent.id, cast("IntentEvent", event), at)
        moves.append((aggregate.intent.status.value, behind.intent.status.value))
        aggregate = behind
    return moves


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
        for made, after in moves_from(core, working, scoped):
            moves.update(made)
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
