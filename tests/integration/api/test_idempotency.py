"""Idempotency keys: replays, reuse, what is stored and what frees a key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import pytest

from payflow.v1 import merchant_pb2
from payflow.v1 import payment_intent_pb2 as pb
from tests.http_payments import HttpCaller
from tests.integration.api.bad_requests import RPCS
from tests.integration.api.refusals import over_grpc, payload_of
from tests.payments import ApiError, Caller
from tests.ports import free_port
from tests.row_counts import row_counts
from tests.stack import Stack
from tests.waiting import WAIT_S

KEY = "one-key"
# Enough that maps, which have no order of their own, are not in the same order twice by luck.
METADATA = {f"key_{number}": "value" for number in range(20)}


@dataclass(frozen=True, slots=True)
class Change:
    """A request that succeeds, and its HTTP form: method, path and body."""

    rpc: str
    request: Mapping[str, Any]
    http: tuple[str, str, Any]


def create(caller: Caller) -> Change:
    request = {
        "merchant_id": caller.merchant_id,
        "amount": 100,
        "currency": "USD",
        "metadata": METADATA,
    }
    return Change("create", request, ("POST", "/v1/payment_intents", request))


def authorize(caller: Caller) -> Change:
    intent_id = caller.create().id
    return Change(
        "authorize", {"id": intent_id}, ("POST", f"/v1/payment_intents/{intent_id}/authorize", None)
    )


def decline(caller: Caller) -> Change:
    intent_id = caller.create(payment_method="pm_card_declined").id
    return Change("authorize", {"id": intent_id}, ("POST", f"/v1/payment_intents/{intent_id}/authorize", {}))


def capture(caller: Caller) -> Change:
    intent_id = caller.create().id
    caller.authorize(intent_id)
    request = {"id": intent_id, "amount": 60}
    return Change("capture", request, ("POST", f"/v1/payment_intents/{intent_id}/capture", {"amount": 60}))


def cancel(caller: Caller) -> Change:
    intent_id = caller.create().id
    caller.authorize(intent_id)
    return Change("cancel", {"id": intent_id}, ("POST", f"/v1/payment_intents/{intent_id}/cancel", {}))


def cancel_created(caller: Caller) -> Change:
    intent_id = caller.create().id
    return Change("cancel", {"id": intent_id}, ("POST", f"/v1/payment_intents/{intent_id}/cancel", None))


def refund(caller: Caller) -> Change:
    intent_id = caller.captured().id
    body = {"amount": 60, "reason": "late"}
    request = {"payment_intent_id": intent_id, **body}
    return Change("refund", request, ("POST", f"/v1/payment_intents/{intent_id}/refund", body))


def create_merchant(caller: Caller) -> Change:
    request = {"merchant_id": caller.merchant_id, "name": "New"}
    return Change("create merchant", request, ("POST", "/v1/merchants", request))


def update_merchant(caller: Caller) -> Change:
    caller.create()
    path = f"/v1/merchants/{caller.merchant_id}"
    request = {"merchant_id": caller.merchant_id, "name": "Other"}
    return Change("update merchant", request, ("PATCH", path, {"name": "Other"}))


def create_psp_account(caller: Caller) -> Change:
    caller.create()
    body = {"id": "second", "connector": "simulator"}
    path = f"/v1/merchants/{caller.merchant_id}/psp_accounts"
    return Change("create PSP account", {"merchant_id": caller.merchant_id, **body}, ("POST", path, body))


def update_psp_account(caller: Caller) -> Change:
    caller.create()
    path = f"/v1/merchants/{caller.merchant_id}/psp_accounts/simulator"
    request = {"merchant_id": caller.merchant_id, "id": "simulator", "fee_bps": 0}
    return Change("update PSP account", request, ("PATCH", path, {"fee_bps": 0}))


CHANGES = [
    create,
    authorize,
    decline,
    capture,
    cancel,
    cancel_created,
    refund,
    create_merchant,
    update_merchant,
    create_psp_account,
    update_psp_account,
]


def send(caller: Caller, change: Change, key: str = KEY) -> tuple[bytes, bool]:
    """The response's bytes and whether it was a replay."""
    rpc = RPCS[change.rpc]
    method: Any = caller.channel.unary_unary(rpc.path, bytes, bytes)
    payload = payload_of(rpc, change.request)
    answer, call = method.with_call(payload, metadata=(("idempotency-key", key),), timeout=WAIT_S)
    return answer, ("idempotent-replayed", "true") in [tuple(item) for item in call.trailing_metadata()]


@pytest.mark.parametrize("make", CHANGES)
def test_a_replay_is_the_same_to_the_byte(
    stack: Stack, caller: Caller, http: HttpCaller, make: Callable[[Caller], Change]
) -> None:
    change = make(caller)
    first, replayed = send(caller, change)
    assert first and not replayed
    written = row_counts(stack.database.owner_url)
    assert send(caller, change) == (first, True)
    method, path, body = change.http
    over_http = http.send(method, path, body, KEY)
    assert over_http.status < 300 and over_http.replayed
    assert over_http.json["id"].encode() in first
    assert row_counts(stack.database.owner_url) == written


@pytest.mark.parametrize("make", CHANGES)
def test_http_first_then_grpc(caller: Caller, http: HttpCaller, make: Callable[[Caller], Change]) -> None:
    change = make(caller)
    method, path, body = change.http
    first = http.send(method, path, body, KEY)
    assert first.status < 300 and not first.replayed
    answer, replayed = send(caller, change)
    assert replayed and first.json["id"].encode() in answer
    assert http.send(method, path, body, KEY).body == first.body


def test_the_state_of_the_first_answer_is_replayed_not_the_state_of_now(caller: Caller) -> None:
    change = create(caller)
    first, _ = send(caller, change)
    intent = pb.PaymentIntent.FromString(first)
    caller.authorize(intent.id)
    assert send(caller, change) == (first, True)
    assert intent.status == pb.PAYMENT_INTENT_STATUS_CREATED
    assert caller.get(intent.id).status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED


REUSES = [
    pytest.param(first, second, id=f"{first.__name__}-then-{second.__name__}")
    for first, second in permutations((create, authorize, refund, cancel_created, update_merchant), 2)
]


@pytest.mark.parametrize(("first", "second"), REUSES)
def test_a_key_of_one_rpc_is_refused_for_another(
    stack: Stack, caller: Caller, first: Callable[[Caller], Change], second: Callable[[Caller], Change]
) -> None:
    used, other = first(caller), second(caller)
    answer, _ = send(caller, used)
    assert_reused(stack, caller, other)
    assert send(caller, used) == (answer, True)


@pytest.mark.parametrize("make", [authorize, capture, refund, cancel])
def test_a_key_of_one_intent_is_refused_for_another(
    stack: Stack, caller: Caller, make: Callable[[Caller], Change]
) -> None:
    used, other = make(caller), make(caller)
    send(caller, used)
    assert_reused(stack, caller, other)


def test_a_key_is_refused_for_the_same_call_with_another_field(stack: Stack, caller: Caller) -> None:
    used = create(caller)
    send(caller, used)
    for name, value in (("amount", 101), ("currency", "EUR"), ("metadata", {"a": "1"}), ("description", "x")):
        assert_reused(stack, caller, Change("create", {**used.request, name: value}, used.http))


def assert_reused(stack: Stack, caller: Caller, change: Change) -> None:
    before = row_counts(stack.database.owner_url)
    rpc = RPCS[change.rpc]
    refusal = over_grpc(caller.channel, rpc.path, payload_of(rpc, change.request), KEY)
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED")
    assert row_counts(stack.database.owner_url) == before


def test_a_decline_is_stored(stack: Stack, caller: Caller) -> None:
    change = decline(caller)
    first, _ = send(caller, change)
    assert pb.PaymentIntent.FromString(first).status == pb.PAYMENT_INTENT_STATUS_FAILED
    assert send(caller, change) == (first, True)
    asked = [one for one in stack.simulator.executions() if one["reference"].startswith(change.request["id"])]
    assert [one["result"] for one in asked] == ["declined"]


def test_an_error_frees_the_key(caller: Caller) -> None:
    intent = caller.create(100)
    with pytest.raises(ApiError, match="INVALID_STATE_TRANSITION"):
        caller.capture(intent.id, key=KEY)
    with pytest.raises(ApiError, match="VALIDATION_FAILED"):
        caller.authorize(intent.id, "4242", key=KEY)
    assert caller.authorize(intent.id, key=KEY).status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED
    with pytest.raises(ApiError, match="AMOUNT_EXCEEDS_CAPTURABLE"):
        caller.capture(intent.id, 101, key="capture")
    assert caller.capture(intent.id, 99, key="capture").captured_amount == 99


def test_no_psp_account_frees_the_key(caller: Caller) -> None:
    intent = caller.create()
    switch_simulator(caller, enabled=False)
    with pytest.raises(ApiError, match="NO_PSP_AVAILABLE"):
        caller.authorize(intent.id, key=KEY)
    switch_simulator(caller, enabled=True)
    assert caller.authorize(intent.id, key=KEY).status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED


def switch_simulator(caller: Caller, *, enabled: bool) -> None:
    request = merchant_pb2.UpdatePspAccountRequest(
        merchant_id=caller.merchant_id, id="simulator", enabled=enabled
    )
    caller.reply(caller.merchants.UpdatePspAccount, request)


def test_a_psp_that_was_never_reached_frees_the_key(stack: Stack, caller: Caller) -> None:
    intent = caller.create()
    unconnected = stack.serve(SIMULATOR_URL=f"http://127.0.0.1:{free_port()}")
    with Caller(unconnected, caller.merchant_id) as cut_off:
        with pytest.raises(ApiError, match="NO_PSP_AVAILABLE") as refused:
            cut_off.authorize(intent.id, key=KEY)
        assert refused.value.retry_after_s
        assert cut_off.get(intent.id).status == pb.PAYMENT_INTENT_STATUS_CREATED
    assert caller.authorize(intent.id, key=KEY).status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED


def test_an_unknown_outcome_is_stored_as_processing(stack: Stack, caller: Caller) -> None:
    intent = caller.create(payment_method="pm_card_timeout")
    with Caller(stack.serve(SIMULATOR_TIMEOUT="300ms"), caller.merchant_id) as impatient:
        change = Change("authorize", {"id": intent.id}, ("", "", None))
        first, _ = send(impatient, change)
        unknown = pb.PaymentIntent.FromString(first)
        assert unknown.status == pb.PAYMENT_INTENT_STATUS_PROCESSING
        assert unknown.operation.type == pb.OPERATION_TYPE_AUTHORIZE
        assert send(impatient, change) == (first, True)
        with pytest.raises(ApiError, match="INVALID_STATE_TRANSITION"):
            impatient.authorize(intent.id)


def test_a_key_belongs_to_its_merchant(caller: Caller, address: str) -> None:
    with Caller(address, f"{caller.merchant_id}.other") as other:
        first, second = caller.create(100, key=KEY), other.create(200, key=KEY)
        assert (first.amount, second.amount) == (100, 200)
        assert [caller.create(100, key=KEY), other.create(200, key=KEY)] == [first, second]
