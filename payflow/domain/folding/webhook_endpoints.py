"""Folds the commands that change where a merchant's webhooks go."""

from __future__ import annotations

from payflow.domain.folding.recording import Happening, record
from payflow.domain.folding.submission import Applied, Submission
from payflow.domain.folding.working_set import Changes, WorkingSet
from payflow.domain.merchant_webhooks.commands import EndpointCommand
from payflow.domain.merchant_webhooks.decide import decide
from payflow.domain.merchant_webhooks.evolve import evolve


def fold_webhook_endpoints(
    working: WorkingSet, changes: Changes, submission: Submission, command: EndpointCommand
) -> Applied:
    """What the command made happen; a removed endpoint is answered as it was.

    Raises PayFlowError when it is refused.
    """
    scoped = (command.merchant_id, command.endpoint_id)
    endpoints = working.webhook_endpoints.setdefault(command.merchant_id, {})
    before = endpoints.get(command.endpoint_id)
    events = decide(endpoints, working.merchants.get(command.merchant_id), command)
    after = before
    for event in events:
        after = evolve(after, *scoped, event, submission.now)
    if after is not None:
        endpoints[command.endpoint_id] = after
    else:
        endpoints.pop(command.endpoint_id, None)
    if events:
        changes.webhook_endpoints[scoped] = after
    first = before.version + 1 if before else 1
    record(
        changes,
        submission,
        [Happening(command.endpoint_id, first + seq, event) for seq, event in enumerate(events)],
    )
    return Applied(after or before, events)
