"""A sender that is killed loses nothing: what it may have sent is sent again, under the same id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.merchant_webhook_stack import MerchantWebhookStack, verified
from tests.waiting import WAIT_S


def test_sigkill_between_the_answer_and_writing_it_down(stack: MerchantWebhookStack) -> None:
    endpoint = stack.endpoint()
    stack.payflow.caller.create()
    stack.tell()
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": stack.payflow.database.application_url}
    killed = subprocess.run(
        [sys.executable, "-m", "tests.dying_sender"], env=environment, check=False, timeout=WAIT_S
    )
    assert killed.returncode == -signal.SIGKILL
    stack.send()
    assert len(stack.receiver.arrivals()) == 1  # while its lease lasts
    stack.payflow.clock.forward(hours=1)
    stack.send()
    first, second = stack.receiver.arrivals()
    assert first.webhook_id == second.webhook_id
    assert first.body == second.body
    assert verified(stack.secret(endpoint.id), first)["type"] == "payment_intent.created"
    assert stack.states(endpoint.id) == {"DELIVERED"}
