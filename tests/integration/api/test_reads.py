"""Lists, audit trail and balances."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from payflow.v1 import ledger_pb2, refund_pb2
from payflow.v1 import payment_intent_pb2 as pb
from tests.payments import Caller
from tests.waiting import wait_until

INTENTS = 35
PAGE = 4
WRITERS = 3
CLEARING = "sys:psp_clearing:simulator:USD"
PAYABLE = "sys:merchant_payable:simulator:USD"


def pages(caller: Caller, size: int = PAGE, status: Any = None) -> Iterator[list[Any]]:
    """Every page of intents, in order."""
    token = ""
    while True:
        request = pb.ListPaymentIntentsRequest(
            merchant_id=caller.merchant_id, status=status, page_size=size, page_token=token
        )
        answer = caller.reply(caller.intents.ListPaymentIntents, request).message
        yield list(answer.payment_intents)
        token = answer.next_page_token
        if not token:
            return


def listed(caller: Caller, status: Any = None) -> list[str]:
    return [intent.id for page in pages(caller, status=status) for intent in page]


@contextmanager
def others_create_and_change(
    address: str, caller: Caller, existing: list[str]
) -> Iterator[Callable[[], int]]:
    """Threads that create intents and move existing ones; answers how many steps they have made."""
    stop, steps = threading.Event(), [0] * WRITERS

    def write(number: int) -> None:
        with Caller(address, caller.merchant_id) as writer:
            mine = existing[number::WRITERS]
            while not stop.is_set():
                writer.create()
                if mine:
                    writer.authorize(mine.pop())
                steps[number] += 1

    with ThreadPoolExecutor(WRITERS) as executor:
        writers = [executor.submit(write, number) for number in range(WRITERS)]
        try:
            yield lambda: sum(steps)
        finally:
            stop.set()
        for writer in writers:
            writer.result()


def test_paging_neither_skips_nor_repeats_while_others_write(address: str, caller: Caller) -> None:
    existing = [caller.create().id for _ in range(INTENTS)]
    with others_create_and_change(address, caller, existing) as steps:
        for _ in range(5):
            before = steps()
            seen = []
            for page in pages(caller):
                seen += [intent.id for intent in page]
                _wait_for_a_step(steps)
            assert steps() > before
            assert sorted(seen, reverse=True) == seen
            assert len(set(seen)) == len(seen)
            assert [one for one in seen if one in set(existing)] == existing[::-1]


def _wait_for_a_step(steps: Callable[[], int]) -> None:
    before = steps()
    wait_until(lambda: steps() > before)


def test_pages_are_full_and_newest_first(caller: Caller) -> None:
    created = [caller.create().id for _ in range(9)]
    assert [len(page) for page in pages(caller)] == [4, 4, 1]
    assert listed(caller) == created[::-1]
    assert [len(page) for page in pages(caller, 9)] == [9]
    assert [len(page) for page in pages(caller, 0)] == [9]


def test_intents_by_status(caller: Caller) -> None:
    created = [caller.create().id for _ in range(6)]
    caller.authorize(created[1])
    caller.cancel(created[4])
    assert listed(caller, pb.PAYMENT_INTENT_STATUS_AUTHORIZED) == [created[1]]
    assert listed(caller, pb.PAYMENT_INTENT_STATUS_CANCELED) == [created[4]]
    assert listed(caller, pb.PAYMENT_INTENT_STATUS_CREATED) == [
        created[5],
        created[3],
        created[2],
        created[0],
    ]
    assert listed(caller, pb.PAYMENT_INTENT_STATUS_FAILED) == []


def test_a_list_holds_only_its_merchants_intents(address: str, caller: Caller) -> None:
    with Caller(address, f"{caller.merchant_id}.other") as other:
        mine, theirs = caller.create().id, other.create().id
        assert (listed(caller), listed(other)) == ([mine], [theirs])


def test_refunds_of_an_intent_and_of_a_merchant(caller: Caller) -> None:
    first, second = caller.captured(), caller.captured()
    refunds = [caller.refund(intent.id, 10, reason="late").id for intent in (first, second, first)]
    of_first = refund_pb2.ListRefundsRequest(payment_intent_id=first.id)
    of_all = refund_pb2.ListRefundsRequest(merchant_id=caller.merchant_id, page_size=2)
    assert [one.id for one in caller.refunds.ListRefunds(of_first).refunds] == [refunds[2], refunds[0]]
    page = caller.refunds.ListRefunds(of_all)
    assert [one.id for one in page.refunds] == [refunds[2], refunds[1]]
    of_all.page_token = page.next_page_token
    rest = caller.refunds.ListRefunds(of_all)
    assert ([one.id for one in rest.refunds], rest.next_page_token) == ([refunds[0]], "")
    one = caller.refunds.GetRefund(refund_pb2.GetRefundRequest(id=refunds[1]))
    assert one == page.refunds[1]
    assert (one.payment_intent_id, one.amount, one.reason) == (second.id, 10, "late")


def events_of(caller: Caller, intent_id: str, page_size: int = 0) -> list[Any]:
    events: list[Any] = []
    request = pb.ListPaymentIntentEventsRequest(id=intent_id, page_size=page_size)
    while True:
        page = caller.intents.ListPaymentIntentEvents(request)
        events += page.events
        if not page.next_page_token:
            return events
        request.page_token = page.next_page_token


def test_the_audit_trail_tells_everything_in_order(caller: Caller) -> None:
    intent = caller.create(10_000)
    caller.authorize(intent.id)
    caller.capture(intent.id, 8_000)
    refund = caller.refund(intent.id, 3_000)
    events = events_of(caller, intent.id)
    assert [event.type for event in events] == [
        "payment_intent.created",
        "payment_intent.routed",
        "payment_intent.operation_started",
        "payment_intent.authorized",
        "payment_intent.operation_started",
        "payment_intent.captured",
        "refund.created",
        "refund.succeeded",
    ]
    assert [event.aggregate_version for event in events] == list(range(1, 9))
    assert [event.id for event in events] == [f"{intent.id}:{number}" for number in range(1, 9)]
    assert {(event.merchant_id, event.aggregate_id) for event in events} == {(caller.merchant_id, intent.id)}
    assert all(event.actor and event.correlation_id and event.causation_id for event in events)
    times = [event.occurred_at.ToDatetime() for event in events]
    assert times == sorted(times)
    captured = events[5].payment_intent_captured
    assert (captured.captured_amount, captured.fee_amount) == (8_000, 240)
    assert sum(entry.amount for entry in captured.transaction.entries) == 0
    assert (events[6].refund_created.refund_id, events[6].refund_created.amount) == (refund.id, 3_000)
    assert events_of(caller, intent.id, page_size=3) == events
    assert caller.get(intent.id).version == 8


def balance_at(caller: Caller, account_id: str, at: Any) -> tuple[int, int, int, int]:
    request = ledger_pb2.GetBalanceRequest(merchant_id=caller.merchant_id, account_id=account_id, as_of=at)
    balance = caller.reply(caller.ledger.GetBalance, request).message
    assert balance.as_of == at
    return balance.posted, balance.pending_debits, balance.pending_credits, balance.version


def test_a_balance_as_of_any_instant(caller: Caller) -> None:
    created = caller.create(10_000)
    authorized = caller.authorize(created.id)
    captured = caller.capture(created.id, 8_000)
    refund = caller.refund(created.id, 3_000)
    history = [
        (created.created_at, (0, 0, 0)),
        (authorized.authorized_at, (0, 10_000, 0)),
        (captured.captured_at, (8_000, 0, 0)),
        (refund.refunded_at, (5_000, 0, 0)),
    ]
    for at, sums in history:
        assert balance_at(caller, CLEARING, at)[:3] == sums
    versions = [balance_at(caller, CLEARING, at)[3] for at, _ in history]
    assert versions == sorted(set(versions)) and versions[0] == 0
    now = caller.balance(CLEARING)
    assert (now.posted, now.available, now.version) == (5_000, 5_000, versions[-1])
    assert caller.balance(PAYABLE).posted == -(8_000 - 240 - 3_000)
    assert caller.balance(PAYABLE).available == 8_000 - 240 - 3_000


def test_a_hold_is_not_available(caller: Caller) -> None:
    caller.authorize(caller.create(10_000).id)
    clearing, payable = caller.balance(CLEARING), caller.balance(PAYABLE)
    assert (clearing.posted, clearing.pending_debits, clearing.available) == (0, 10_000, 0)
    assert (payable.posted, payable.pending_credits, payable.available) == (0, 10_000, 0)


def test_a_trial_balance_of_several_currencies(caller: Caller) -> None:
    amounts = {"USD": 10_000, "JPY": 500, "KWD": 1_234}
    for currency, amount in amounts.items():
        caller.captured(amount, currency)
    trial = caller.trial_balance()
    totals = {total.currency: (total.debits, total.credits, total.difference) for total in trial.totals}
    assert totals == {currency: (amount, amount, 0) for currency, amount in amounts.items()}
    posted = {balance.account_id: balance.posted for balance in trial.balances}
    assert posted["sys:platform_fees:simulator:JPY"] == -15
    # 3 % of 1234 is 37.02.
    assert posted["sys:platform_fees:simulator:KWD"] == -37
    assert list(posted) == sorted(posted)


@pytest.mark.parametrize("empty", ["new", "unknown"])
def test_a_merchant_without_entries_has_an_empty_trial_balance(
    caller: Caller, address: str, empty: str
) -> None:
    if empty == "new":
        caller.create()
    with Caller(address, caller.merchant_id if empty == "new" else f"m{uuid4().hex}") as one:
        assert list(one.trial_balance().balances) == list(one.trial_balance().totals) == []
