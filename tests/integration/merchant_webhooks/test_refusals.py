"""What is not accepted is sent again, in order, until it is or the endpoint is given up."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from uuid import uuid4

from payflow.domain.merchant_webhooks.delivery import GIVEN_UP_AFTER
from payflow.v1 import webhook_endpoint_pb2 as pb
from server.worker.merchant_webhooks import PER_ENDPOINT_MAX, PER_MERCHANT_MAX, SENDING_MAX
from tests.merchant_receiver import MerchantReceiver, merchant_receiver
from tests.merchant_webhook_stack import MerchantWebhookStack
from tests.waiting import wait_until

DAY = timedelta(days=1)


def _in_order(receiver: MerchantReceiver) -> bool:
    """Whether each object's events arrived in the order of its history."""
    told = defaultdict(list)
    for arrival in receiver.arrivals():
        object_id, _, sequence = arrival.told
        told[object_id].append(sequence)
    return all(sequences == sorted(set(sequences)) for sequences in told.values())


def test_a_refused_webhook_is_sent_again_under_its_id(stack: MerchantWebhookStack) -> None:
    endpoint = stack.endpoint()
    stack.payflow.caller.create()
    stack.tell()
    stack.receiver.status = 500
    stack.send()
    [waiting] = stack.deliveries(endpoint.id, "PENDING")
    assert (waiting.tries, waiting.response_status) == (1, 500)
    stack.receiver.status = 200
    stack.pass_time(timedelta(minutes=1))
    first, second = stack.receiver.arrivals()
    assert first.webhook_id == second.webhook_id == waiting.id
    assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
    assert stack.states(endpoint.id) == {"DELIVERED"}


def test_nothing_of_an_object_overtakes_what_is_not_yet_accepted(stack: MerchantWebhookStack) -> None:
    endpoint = stack.endpoint()
    stack.receiver.refused_types = {"payment_intent.authorized"}
    held_up = stack.payflow.caller.captured()
    free = stack.payflow.caller.create()
    stack.tell()
    stack.send()
    assert {one.told[:2] for one in stack.receiver.arrivals()} == {
        (held_up.id, "payment_intent.created"),
        (held_up.id, "payment_intent.authorized"),
        (free.id, "payment_intent.created"),
    }
    stack.receiver.refused_types = set()
    stack.receiver.clear()
    stack.pass_time(timedelta(minutes=5))
    types = [one.told[1] for one in stack.receiver.arrivals()]
    assert types == ["payment_intent.authorized", "payment_intent.captured"]
    assert stack.states(endpoint.id) == {"DELIVERED"}


def test_an_endpoint_that_is_down_for_a_day_gets_all_of_it_afterwards(stack: MerchantWebhookStack) -> None:
    endpoint = stack.endpoint()
    stack.receiver.status = 503
    for _ in range(8):
        intent = stack.payflow.caller.captured()
        stack.payflow.caller.refund(intent.id)
        stack.tell()
        stack.pass_time(DAY / 8)
    assert len(stack.deliveries(endpoint.id, "PENDING")) == 8 * 5
    stack.receiver.status = 200
    stack.receiver.clear()
    stack.pass_time(timedelta(hours=5))
    assert len(stack.receiver.arrivals()) == 8 * 5
    assert _in_order(stack.receiver)
    assert stack.states(endpoint.id) == {"DELIVERED"}
    assert stack.get(endpoint.id).status == pb.WEBHOOK_ENDPOINT_STATUS_ENABLED


def test_an_endpoint_that_takes_nothing_for_three_days_is_disabled(stack: MerchantWebhookStack) -> None:
    endpoint = stack.endpoint()
    stack.receiver.status = 500
    stack.payflow.caller.captured()
    stack.tell()
    stack.pass_time(GIVEN_UP_AFTER - timedelta(hours=1))
    assert stack.get(endpoint.id).status == pb.WEBHOOK_ENDPOINT_STATUS_ENABLED
    stack.pass_time(timedelta(hours=6))
    disabled = stack.get(endpoint.id)
    assert disabled.status == pb.WEBHOOK_ENDPOINT_STATUS_DISABLED
    assert disabled.disabled_reason == pb.WEBHOOK_ENDPOINT_DISABLED_REASON_DEAD
    assert stack.states(endpoint.id) == {"FAILED"}
    stack.receiver.clear()
    stack.payflow.caller.create()
    stack.tell()
    stack.pass_time(DAY)
    assert stack.receiver.arrivals() == []
    assert stack.states(endpoint.id) == {"FAILED"}


def test_one_event_that_is_never_accepted_is_given_up_alone(stack: MerchantWebhookStack) -> None:
    endpoint = stack.endpoint()
    stack.receiver.refused_types = {"payment_intent.authorized"}
    stack.payflow.caller.captured()
    for _ in range(7):
        stack.payflow.caller.create()
        stack.tell()
        stack.pass_time(DAY / 2)
    [given_up] = stack.deliveries(endpoint.id, "FAILED")
    assert given_up.type == "payment_intent.authorized"
    assert stack.deliveries(endpoint.id, "PENDING") == []
    assert stack.get(endpoint.id).status == pb.WEBHOOK_ENDPOINT_STATUS_ENABLED


def test_an_endpoint_that_is_gone_is_disabled_at_once(stack: MerchantWebhookStack) -> None:
    endpoint = stack.endpoint()
    stack.receiver.status = 410
    for _ in range(10):
        stack.payflow.caller.create()
    stack.tell()
    stack.send()
    assert stack.get(endpoint.id).disabled_reason == pb.WEBHOOK_ENDPOINT_DISABLED_REASON_GONE
    stack.pass_time(timedelta(minutes=10))
    assert stack.states(endpoint.id) == {"FAILED"}
    assert len(stack.receiver.arrivals()) < 10


def test_a_redirect_is_a_refusal_and_is_not_followed(stack: MerchantWebhookStack) -> None:
    with merchant_receiver() as elsewhere:
        endpoint = stack.endpoint()
        stack.receiver.headers = {"Location": elsewhere.url}
        stack.payflow.caller.create()
        stack.tell()
        for status in (301, 302, 303, 307, 308):
            stack.receiver.status = status
            stack.pass_time(timedelta(hours=4))
            [waiting] = stack.deliveries(endpoint.id, "PENDING")
            assert waiting.response_status == status
            assert "redirects are not followed" in waiting.detail
        assert elsewhere.arrivals() == []


def test_an_endpoint_may_ask_to_be_left_alone(stack: MerchantWebhookStack) -> None:
    stack.endpoint()
    stack.receiver.status = 429
    stack.receiver.headers = {"Retry-After": "1800"}
    stack.payflow.caller.create()
    stack.payflow.caller.create()
    stack.tell()
    stack.send()
    begun = len(stack.receiver.arrivals())
    stack.receiver.status = 200
    stack.pass_time(timedelta(minutes=25))
    assert len(stack.receiver.arrivals()) == begun
    stack.pass_time(timedelta(minutes=10))
    assert len(stack.receiver.arrivals()) == begun + 2


def test_an_endpoint_that_does_not_answer_holds_up_no_other(stack: MerchantWebhookStack) -> None:
    with merchant_receiver() as quick:
        slow_endpoint, quick_endpoint = stack.endpoint(), stack.endpoint(url=quick.url)
        stack.receiver.may_answer.clear()
        for _ in range(40):
            stack.payflow.caller.create()
        stack.tell()
        wait_until(lambda: stack.sending.due() == 0 and len(quick.arrivals()) == 40)
        wait_until(lambda: len(stack.receiver.arrivals()) == PER_ENDPOINT_MAX)
        assert stack.sending.due() == 0
        stack.receiver.may_answer.set()
        stack.sending.wait()
        stack.send()
        assert stack.states(slow_endpoint.id) == stack.states(quick_endpoint.id) == {"DELIVERED"}


def test_a_merchant_whose_endpoints_do_not_answer_holds_up_no_other_merchant(
    stack: MerchantWebhookStack,
) -> None:
    stack.receiver.may_answer.clear()
    for _ in range(SENDING_MAX // PER_ENDPOINT_MAX + 1):
        stack.endpoint()
    for _ in range(PER_ENDPOINT_MAX):
        stack.payflow.caller.create()
    stack.tell()
    wait_until(lambda: stack.sending.due() == 0)
    stack.payflow.caller.merchant_id = f"merchant_{uuid4().hex}"
    with merchant_receiver() as quick:
        stack.endpoint(url=quick.url)
        stack.payflow.caller.create()
        stack.tell()
        wait_until(lambda: stack.sending.due() == 0 and len(quick.arrivals()) == 1)
        assert len(stack.receiver.arrivals()) <= PER_MERCHANT_MAX
        stack.receiver.may_answer.set()
        stack.sending.wait()


def test_what_has_failed_is_delivered_on_request_once_the_endpoint_is_enabled(
    stack: MerchantWebhookStack,
) -> None:
    endpoint = stack.endpoint()
    disabled = stack.update(endpoint.id, status=pb.WEBHOOK_ENDPOINT_STATUS_DISABLED)
    assert disabled.disabled_reason == pb.WEBHOOK_ENDPOINT_DISABLED_REASON_REQUESTED
    stack.payflow.caller.captured()
    stack.payflow.clock.forward(hours=1)
    since = stack.payflow.clock.now()
    later = stack.payflow.caller.captured()
    stack.tell()
    stack.send()
    assert stack.receiver.arrivals() == []
    stack.update(endpoint.id, status=pb.WEBHOOK_ENDPOINT_STATUS_ENABLED)
    request = pb.RedeliverFailedWebhooksRequest(id=endpoint.id)
    request.since.FromDatetime(since)
    answer = stack.ask("RedeliverFailedWebhooks", request)
    assert (answer.redelivered, answer.more) == (3, False)
    stack.send()
    assert {one.told[0] for one in stack.receiver.arrivals()} == {later.id}
    assert len(stack.receiver.arrivals()) == 3
    assert _in_order(stack.receiver)


def test_a_delivery_is_sent_again_once_for_each_key(stack: MerchantWebhookStack) -> None:
    endpoint = stack.endpoint()
    stack.payflow.caller.create()
    stack.tell()
    stack.send()
    [delivered] = stack.deliveries(endpoint.id)
    request = pb.RedeliverWebhookRequest(id=endpoint.id, delivery_id=delivered.id)
    for key in ("first", "first", "second"):
        stack.ask("RedeliverWebhook", request, key)
        stack.send()
    assert [one.webhook_id for one in stack.receiver.arrivals()] == [delivered.id] * 3


def test_nothing_is_sent_to_an_endpoint_that_was_deleted(stack: MerchantWebhookStack) -> None:
    endpoint = stack.endpoint()
    stack.payflow.caller.captured()
    stack.tell()
    stack.ask("DeleteWebhookEndpoint", pb.DeleteWebhookEndpointRequest(id=endpoint.id))
    stack.send()
    stack.payflow.caller.create()
    stack.tell()
    stack.send()
    assert stack.receiver.arrivals() == []
