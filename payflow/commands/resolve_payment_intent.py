"""Asks PSPs at once what became of an intent's calls without an outcome."""

from __future__ import annotations

from payflow.commands.call import Call
from payflow.commands.merchant_scope import FOREVER_S
from payflow.commands.ports import Ports
from payflow.commands.psp_operation import psp_account_of
from payflow.commands.recover_attempt import recover_attempt
from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.intent.commands import ResumeAttempt
from payflow.domain.intent.state import PaymentIntent


def resolve_payment_intent(ports: Ports, call: Call, intent: PaymentIntent) -> None:
    """One after another; a call that somebody makes at this moment is left to them."""
    deadline = FOREVER_S if call.deadline is None else call.deadline
    for attempt in ports.attempts.of_intent(intent.merchant_id, intent.id, deadline):
        if not attempt.is_open:
            continue
        command = ResumeAttempt(intent.merchant_id, intent.id, attempt.id, attempt.fence, early=True)
        account = psp_account_of(ports, call, intent.merchant_id, attempt.psp_account_id)
        try:
            with ports.slots.hold(account.endpoint):
                recover_attempt(ports, call, command)
        except PayFlowError as error:
            # That nothing was executed is an answer, too.
            if error.reason is not Reason.NO_PSP_AVAILABLE:
                raise
