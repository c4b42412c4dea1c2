"""What a merchant's receiver gets, and how it can tell that it is true and in which order it belongs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from payflow.v1 import payment_intent_pb2, webhook_endpoint_pb2
from payflow.wire.json_encoder import MessageEncoders
from server.gateway.enum_names import enum_names
from tests.merchant_webhook_stack import MerchantWebhookStack, verified

LIFE = [
    "payment_intent.created",
    "payment_intent.authorized",
    "payment_intent.captured",
    "refund.created",
    "refund.succeeded",
]


def test_the_reference_verifier_accepts_what_arrives(stack: MerchantWebhookStack) -> None:
    endpoint = stack.endpoint()
    intent = stack.payflow.caller.captured()
    stack.payflow.caller.refund(intent.id, 100)
    stack.tell()
    stack.send()
    secret = stack.secret(endpoint.id)
    told = [verified(secret, one) for one in stack.receiver.arrivals()]
    assert [one["type"] for one in told] == LIFE
    sequences = [one["data"]["sequence"] for one in told]
    assert sequences == sorted(set(sequences))
    assert {one["data"]["object_id"] for one in told} == {intent.id}
    assert {one.headers["content-type"] for one in stack.receiver.arrivals()} == {"application/json"}
    with pytest.raises(WebhookVerificationError):
        verified("whsec_" + "A" * 43 + "=", stack.receiver.arrivals()[0])


def test_data_are_those_of_the_audit_trail(stack: MerchantWebhookStack) -> None:
    stack.endpoint("payment_intent.captured")
    intent = stack.payflow.caller.captured()
    stack.tell()
    stack.send()
    [arrival] = stack.receiver.arrivals()
    request = payment_intent_pb2.ListPaymentIntentEventsRequest(id=intent.id)
    trail = stack.payflow.caller.intents.ListPaymentIntentEvents(request).events
    event = next(one for one in trail if one.type == "payment_intent.captured")
    data = arrival.content["data"]
    shown = MessageEncoders(enum_names).of(event.DESCRIPTOR)(event)
    assert data["payment_intent_captured"] == shown["payment_intent_captured"]
    assert (data["id"], data["sequence"]) == (event.id, event.aggregate_version)
    assert datetime.fromisoformat(arrival.content["timestamp"]) == event.occurred_at.ToDatetime(UTC)


def test_an_endpoint_gets_what_it_asks_for_and_nothing_from_before(stack: MerchantWebhookStack) -> None:
    stack.payflow.caller.captured()
    stack.payflow.clock.forward(seconds=1)
    everything, refunds = stack.endpoint(), stack.endpoint("refund.*")
    stranger = stack.endpoint(merchant_id="somebody_else")
    intent = stack.payflow.caller.captured()
    stack.payflow.caller.refund(intent.id)
    stack.tell()
    assert len(stack.deliveries(everything.id)) == 5
    # Of one instant, so neither is the newer one.
    assert {one.type for one in stack.deliveries(refunds.id)} == {"refund.succeeded", "refund.created"}
    assert stack.deliveries(stranger.id) == []


def test_events_that_are_told_again_are_sent_once(stack: MerchantWebhookStack) -> None:
    endpoint = stack.endpoint()
    stack.payflow.caller.captured()
    stack.tell()
    stack.send()
    stack.events.rewind()
    stack.tell()
    stack.send()
    assert len(stack.receiver.arrivals()) == len(stack.deliveries(endpoint.id)) == 3


def test_a_rotated_secret_and_the_one_before_both_verify_for_a_day(stack: MerchantWebhookStack) -> None:
    endpoint = stack.endpoint()
    before = stack.secret(endpoint.id)
    request = webhook_endpoint_pb2.RotateWebhookEndpointSecretRequest(id=endpoint.id)
    stack.ask("RotateWebhookEndpointSecret", request)
    after = stack.secret(endpoint.id)
    assert before != after
    stack.payflow.caller.create()
    stack.tell()
    stack.send()
    [arrival] = stack.receiver.arrivals()
    assert verified(after, arrival) == verified(before, arrival)
    stack.payflow.clock.forward(hours=24)
    stack.payflow.caller.create()
    stack.tell()
    stack.send()
    late = stack.receiver.arrivals()[-1]
    # The reference verifier goes by the machine's clock, so this one is signed again instead.
    sent_at = datetime.fromtimestamp(int(late.headers["webhook-timestamp"]), UTC)
    signed = Webhook(after).sign(late.webhook_id, sent_at, late.body.decode())
    assert late.headers["webhook-signature"] == signed
    assert stack.payflow.clock.now() - sent_at < timedelta(seconds=1)


def test_a_test_is_sent_to_its_endpoint_alone_and_once_for_a_key(stack: MerchantWebhookStack) -> None:
    tested, other = stack.endpoint("refund.*"), stack.endpoint()
    request = webhook_endpoint_pb2.TestWebhookEndpointRequest(id=tested.id)
    for _ in range(2):
        stack.ask("TestWebhookEndpoint", request, key="the-same")
    stack.tell()
    stack.send()
    [arrival] = stack.receiver.arrivals()
    assert verified(stack.secret(tested.id), arrival)["type"] == "webhook_endpoint.tested"
    assert stack.deliveries(other.id) == []
