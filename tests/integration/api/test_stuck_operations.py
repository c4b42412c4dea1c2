"""What operators do over HTTP about a PSP that did not answer."""

from __future__ import annotations

from payflow.v1 import payment_intent_pb2 as pb
from tests.http_payments import HttpCaller
from tests.payments import Caller
from tests.stack import Stack
from tests.waiting import wait_until


def left_unanswered(stack: Stack, caller: Caller) -> list[str]:
    """Payments that the PSP did not answer in time, up to the first that it executed all the same."""
    left: list[str] = []

    def is_executed() -> bool:
        left.append(caller.create(payment_method="pm_card_timeout").id)
        assert impatient.authorize(left[-1]).status == pb.PAYMENT_INTENT_STATUS_PROCESSING
        return any(one["reference"].startswith(left[-1]) for one in stack.simulator.executions())

    with Caller(stack.serve(SIMULATOR_TIMEOUT="300ms"), caller.merchant_id) as impatient:
        wait_until(is_executed)
    return left


def test_a_payment_without_an_outcome_is_found_and_asked_about(
    stack: Stack, http: HttpCaller, caller: Caller
) -> None:
    left = left_unanswered(stack, caller)
    intent_id = left[-1]
    path = f"/v1/stuck_operations?merchant_id={caller.merchant_id}"
    assert http.get(path).json["operations"] == []
    operations = http.get(f"{path}&age_min_s=0").json["operations"]
    assert sorted(one["payment_intent_id"] for one in operations) == sorted(left)
    for found in operations:
        assert (found["type"], found["amount"]) == ("authorize", 10_000)
        assert (found["state"], found["psp_account_id"]) == ("unknown", "simulator")

    answer = http.post(f"/v1/payment_intents/{intent_id}/resolve")
    assert (answer.status, answer.json["status"]) == (200, "authorized")
    operations = http.get(f"{path}&age_min_s=0").json["operations"]
    assert intent_id not in [one["payment_intent_id"] for one in operations]
    refused = http.get(f"{path}&age_min_s=-1")
    assert refused.error == (400, "INVALID_ARGUMENT", "VALIDATION_FAILED")
    assert refused.fields == ["age_min_s"]
