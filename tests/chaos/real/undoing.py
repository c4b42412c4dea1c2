"""What an operator does by hand: the PSP refused to undo a stray payment, and is made to in its dashboard."""

from __future__ import annotations

import urllib3

from payflow.commands.apply_notice import apply_notice
from payflow.domain.intent.state import Attempt
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import Approved
from payflow.domain.resources import OpenAttempt
from server.wiring import Core
from server.worker.side_by_side import background_call
from tests.simulators import Simulator
from tests.waiting import WAIT_S

BY_HAND = "by-hand-"


def undo_by_hand(core: Core, simulator: Simulator, parked: OpenAttempt, deadline: float) -> None:
    """At the PSP, and then as the PSP would tell of it: by the payment's id, without a reference of ours."""
    attempt = parked.attempt
    _ask(simulator, parked.merchant_id, attempt)
    merchant = core.ports.directory.find(parked.merchant_id, deadline)
    assert merchant is not None
    endpoint = merchant.psp_account(attempt.psp_account_id).endpoint
    notice = Notice(attempt.operation, Approved(attempt.psp_payment_id), "", attempt.psp_payment_id)
    call = background_call("operator", attempt.id)
    apply_notice(core.ports, call, parked.merchant_id, attempt.payment_intent_id, notice, endpoint)


def _ask(simulator: Simulator, merchant_id: str, attempt: Attempt) -> None:
    body = {
        "psp_account": attempt.psp_account_id,
        "merchant": merchant_id,
        "reference": f"{BY_HAND}{attempt.psp_key}",
        "amount": attempt.amount,
        "currency": attempt.currency,
        "payment_method": "",
        "payment_id": attempt.psp_payment_id,
    }
    url = f"{simulator.url}/{attempt.operation.lower()}"
    response = urllib3.request("POST", url, json=body, retries=False, timeout=WAIT_S)
    assert response.status == 200, response.data
