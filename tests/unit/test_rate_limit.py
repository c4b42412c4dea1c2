"""Whose share of calls a request is counted against."""

from __future__ import annotations

from contextvars import copy_context
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from google.protobuf.message import Message

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.ids import command_id, derive_id
from payflow.v1 import ledger_pb2, merchant_pb2, payment_intent_pb2, refund_pb2, webhook_pb2
from server.rpc.call import CallContext, enter_call
from server.rpc.interceptors.rate_limit import FROM_PSPS, CallRates, RateLimitInterceptor

SLOT, OTHER_SLOT, NOBODYS_SLOT = 7, 8, 9
OWNERS = {SLOT: "shop", OTHER_SLOT: "stall"}
COMMAND = command_id(datetime(2026, 1, 1, tzinfo=UTC), bytes(10))
INTENT = derive_id("pi", COMMAND, SLOT)
ANSWER = object()


class Counting:
    """Notes what is counted; lets nothing through once it is ``exhausted``."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.exhausted = False

    def take(self, key: str) -> float:
        self.taken.append(key)
        return 2.5 if self.exhausted else 0.0


def call(counting: Counting, request: Message, principal: str | None = None) -> Any:
    def run() -> Any:
        enter_call(CallContext("c", "", None, actor="till", principal_merchant_id=principal))
        rates = CallRates(counting.take, lambda slot, deadline: OWNERS.get(slot))
        return RateLimitInterceptor(rates).around("/m", lambda *_: ANSWER)(request, cast(Any, None))

    return copy_context().run(run)


@pytest.mark.parametrize(
    ("request_", "counted_under"),
    [
        (payment_intent_pb2.CreatePaymentIntentRequest(merchant_id="stall"), "merchant:stall"),
        (payment_intent_pb2.GetPaymentIntentRequest(id=INTENT), "merchant:shop"),
        (payment_intent_pb2.GetPaymentIntentRequest(id=INTENT, merchant_id="stall"), "merchant:stall"),
        (payment_intent_pb2.GetPaymentIntentRequest(id=INTENT, merchant_id="no such id!"), "merchant:shop"),
        (refund_pb2.CreateRefundRequest(payment_intent_id=INTENT), "merchant:shop"),
        (
            ledger_pb2.ListEntriesRequest(
                account_id="wallet", transaction_id=derive_id("txn", COMMAND, OTHER_SLOT)
            ),
            "merchant:stall",
        ),
        (
            payment_intent_pb2.GetPaymentIntentRequest(id=derive_id("pi", COMMAND, NOBODYS_SLOT)),
            "caller:till",
        ),
        (payment_intent_pb2.GetPaymentIntentRequest(id="nonsense"), "caller:till"),
        (payment_intent_pb2.CreatePaymentIntentRequest(merchant_id="x" * 65), "caller:till"),
        (merchant_pb2.ListMerchantsRequest(), "caller:till"),
    ],
)
def test_a_call_counts_for_its_merchant_and_otherwise_for_its_caller(
    request_: Message, counted_under: str
) -> None:
    counting = Counting()
    assert call(counting, request_) is ANSWER
    assert counting.taken == [counted_under]


def test_who_is_tied_to_a_merchant_spends_no_other_s_share() -> None:
    counting = Counting()
    for request in (
        payment_intent_pb2.CreatePaymentIntentRequest(merchant_id="stall"),
        payment_intent_pb2.GetPaymentIntentRequest(id=INTENT),
        merchant_pb2.ListMerchantsRequest(),
    ):
        call(counting, request, principal="kiosk")
    assert counting.taken == ["merchant:kiosk"] * 3


def test_a_call_beyond_the_share_is_refused_with_when_to_try_again() -> None:
    counting = Counting()
    counting.exhausted = True
    with pytest.raises(PayFlowError) as refused:
        call(counting, merchant_pb2.ListMerchantsRequest())
    assert (refused.value.reason, refused.value.retry_after_s) == (Reason.RATE_LIMITED, 2.5)


def test_what_psps_deliver_is_not_counted() -> None:
    counting = Counting()
    rates = CallRates(counting.take, lambda slot, deadline: None)

    def proceed(*_: Any) -> Any:
        return ANSWER

    assert RateLimitInterceptor(rates).around(FROM_PSPS, proceed) is proceed
    webhooks = webhook_pb2.DESCRIPTOR.services_by_name["WebhookService"]
    assert f"/{webhooks.full_name}/{webhooks.methods_by_name['ReceiveWebhook'].name}" == FROM_PSPS
