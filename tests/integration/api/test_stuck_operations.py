"""What operators do over HTTP about a PSP that did not answer."""

from __future__ import annotations

from payflow.v1 import payment_intent_pb2 as pb
from tests.http_payments import HttpCaller
from tests.payments import Caller
from tests.stack import Stack


def test_a_payment_without_an_outcome_is_found_and_asked_about(
    stack: Stack, http: HttpCaller, caller: Caller
) -> None:
    intent_id = caller.create(payment_method="pm_card_timeout").id
    with Caller(stack.serve(SIMULATOR_TIMEOUT="300ms"), caller.merchant_id) as impatient:
        assert impatient.authorize(intent_id).status == pb.PAYMENT_INTENT_STATUS_PROCESSING
    path = f"/v1/stuck_operations?merchant_id={caller.merchant_id}"
    assert http.get(path).json["operations"] == []
    [found] = http.get(f"{path}&age_min_s=0").json["operations"]
    assert (found["payment_intent_id"], found["type"], found["amount"]) == (intent_id, "authorize", 10_000)
    assert (found["state"], found["psp_account_id"]) == ("unknown", "simulator")

    answer = http.post(f"/v1/payment_intents/{intent_id}/resolve")
    assert (answer.status, answer.json["status"]) == (200, "authorized")
    assert http.get(f"{path}&age_min_s=0").json["operations"] == []
    refused = http.get(f"{path}&age_min_s=-1")
    assert refused.error == (400, "INVALID_ARGUMENT", "VALIDATION_FAILED")
    assert refused.fields == ["age_min_s"]
