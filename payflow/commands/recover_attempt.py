"""Finishes a PSP call that a crash or a time-out left open."""

from __future__ import annotations

from payflow.commands.call import Answer, Call, commit
from payflow.commands.ports import Ports
from payflow.commands.psp_attempt import finish
from payflow.domain.folding.submission import Applied
from payflow.domain.intent.commands import ResumeAttempt


def recover_attempt(ports: Ports, call: Call, command: ResumeAttempt) -> Answer | None:
    """Takes the attempt over and sees it through; None when somebody else was first."""
    resumed = commit(ports, call, lambda _: command)
    if not isinstance(resumed, Applied) or resumed.psp_call is None:
        return None
    return finish(ports, call, command.merchant_id, resumed.psp_call)
