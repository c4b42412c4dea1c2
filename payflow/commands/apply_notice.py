"""Applies what a PSP said without being asked."""

from __future__ import annotations

from payflow.commands.call import Call, commit
from payflow.commands.merchant_scope import FOREVER_S
from payflow.commands.ports import Ports
from payflow.commands.psp_attempt import finish, tell_operators
from payflow.domain.endpoint import Endpoint
from payflow.domain.folding.submission import Applied
from payflow.domain.intent.commands import ApplyNotice
from payflow.domain.psp_notice import Notice


def apply_notice(
    ports: Ports, call: Call, merchant_id: str, intent_id: str, notice: Notice, endpoint: Endpoint
) -> bool:
    """Whether the notice, which came through ``endpoint``, was news; an older or repeated one is not.

    A payment that turns out to have succeeded after it had been given up is undone at once. Raises
    PayFlowError for a notice that does not fit: NOT_FOUND and VALIDATION_FAILED for good, CONCURRENT_UPDATE
    for now.
    """
    deadline = FOREVER_S if call.deadline is None else call.deadline
    attempts = ports.attempts.of_intent(merchant_id, intent_id, deadline)
    command = ApplyNotice(
        merchant_id,
        intent_id,
        notice,
        endpoint,
        tuple({one.refund_id for one in attempts if one.refund_id}),
        tuple({one.idempotency_key for one in attempts if one.is_open and one.idempotency_key}),
    )
    applied = commit(ports, call, lambda _: command)
    assert isinstance(applied, Applied)
    tell_operators(notice.psp_key, applied)
    if applied.psp_call is not None:
        finish(ports, call, merchant_id, applied.psp_call)
    return bool(applied.events)
