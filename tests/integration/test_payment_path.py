"""A payment from end to end through the real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from payflow.v1 import payment_intent_pb2, refund_pb2
from tests.books import assert_books_right, assert_psp_agrees
from tests.databases import Database
from tests.payments import Caller
from tests.stack import Stack, running_stack


@pytest.fixture(scope="module")
def stack(
    new_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory, valkey_url: str
) -> Iterator[Stack]:
    directory: Path = tmp_path_factory.mktemp("stack")
    with running_stack(new_database(), directory, REDIS_URL=valkey_url) as running:
        yield running


@pytest.fixture(scope="module")
def caller(stack: Stack) -> Iterator[Caller]:
    with Caller(stack.serve()) as one:
        yield one


def test_authorize_partial_capture_and_refunds(stack: Stack, caller: Caller) -> None:
    intent = caller.create(10_000, metadata={"order_id": "12"})
    assert intent.status == payment_intent_pb2.PAYMENT_INTENT_STATUS_CREATED
    assert caller.authorize(intent.id).authorized_amount == 10_000
    captured = caller.capture(intent.id, 9_000)
    assert captured.status == payment_intent_pb2.PAYMENT_INTENT_STATUS_CAPTURED
    refund = caller.refund(intent.id, 4_000, reason="customer_request")
    assert refund.status == refund_pb2.REFUND_STATUS_REFUNDED
    caller.refund(intent.id)
    final = caller.get(intent.id)
    assert final.status == payment_intent_pb2.PAYMENT_INTENT_STATUS_REFUNDED
    assert final.metadata == {"order_id": "12"}
    balance = caller.balance("sys:merchant_payable:simulator:USD")
    assert (balance.posted, balance.pending_debits, balance.pending_credits) == (270, 0, 0)
    assert_books_right(stack.database.owner_url)
    assert_psp_agrees(stack.database.owner_url, stack.simulator)
