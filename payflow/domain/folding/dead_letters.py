"""Folds what operators do about dead letters."""

from __future__ import annotations

from dataclasses import replace

from payflow.domain.dead_letter import DeadLetterState, DeadLetterView
from payflow.domain.dead_letter_commands import DeadLetterCommand, decide, state_after
from payflow.domain.dead_letter_events import aggregate_id
from payflow.domain.folding.recording import Happening, record
from payflow.domain.folding.submission import Applied, Submission
from payflow.domain.folding.working_set import Changes, WorkingSet


def fold_dead_letter(
    working: WorkingSet, changes: Changes, submission: Submission, command: DeadLetterCommand
) -> Applied:
    """What the command made happen. Raises PayFlowError when it is refused."""
    merchant_id = command.merchant_id
    before = working.dead_letters.get(command.key)
    event = decide(before.dead_letter if before else None, command)
    assert before is not None
    after = replace(before.dead_letter, state=state_after(event))
    if after.state is DeadLetterState.DISCARDED:
        del working.dead_letters[command.key]
    else:
        working.dead_letters[command.key] = replace(before, dead_letter=after)
    changes.dead_letters[command.key] = after.state
    version = working.dead_letter_versions.get(merchant_id, 0) + 1
    working.dead_letter_versions[merchant_id] = version
    record(changes, submission, [Happening(aggregate_id(merchant_id), version, event)])
    return Applied(DeadLetterView(after, before.behind), (event,))
