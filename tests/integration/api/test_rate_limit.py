"""RATE_LIMIT through both doors, shared by two server processes on one Valkey."""

from __future__ import annotations

from uuid import uuid4

import grpc
import pytest

from payflow.v1 import merchant_pb2
from tests.http_payments import HttpCaller
from tests.payments import ApiError, Caller
from tests.stack import Stack

LIMIT = 6
INTERVAL_S = 3600 / LIMIT


def test_a_merchant_gets_its_calls_and_no_more(stack: Stack) -> None:
    first, second = (stack.serve(RATE_LIMIT=f"{LIMIT}req/hour") for _ in range(2))
    merchant_id, key = f"merchant_{uuid4().hex}", str(uuid4())
    with (
        Caller(first, merchant_id) as caller,
        Caller(second, merchant_id) as other,
        Caller(second, f"merchant_{uuid4().hex}") as stranger,
        HttpCaller(stack.gateway(first)) as http,
    ):
        intent = caller.create(key=key)
        assert other.create(key=key) == intent  # a duplicate counts, too
        assert other.get(intent.id).id == intent.id
        caller.authorize(intent.id)
        with pytest.raises(ApiError) as unknown:
            caller.balance("no such account")
        assert unknown.value.reason == "VALIDATION_FAILED"
        assert http.get(f"/v1/payment_intents/{intent.id}").status == 200

        for one in (caller, other):
            with pytest.raises(ApiError) as refused:
                one.capture(intent.id)
            assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert refused.value.reason == "RATE_LIMITED"
            assert refused.value.retry_after_s is not None
            assert 0 < refused.value.retry_after_s <= INTERVAL_S
        reply = http.post(f"/v1/payment_intents/{intent.id}/capture")
        assert reply.error == (429, "RESOURCE_EXHAUSTED", "RATE_LIMITED")
        assert 0 < int(reply.headers["retry-after"]) <= INTERVAL_S

        assert stranger.create().amount == 10_000
        for _ in range(LIMIT):
            listed = caller.reply(caller.merchants.ListMerchants, merchant_pb2.ListMerchantsRequest())
            assert listed.message.merchants
        with pytest.raises(ApiError, match="RATE_LIMITED"):
            other.reply(other.merchants.ListMerchants, merchant_pb2.ListMerchantsRequest())
        stack.wait_until_serving(second)  # the health check is not counted
