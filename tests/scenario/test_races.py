"""Callers that race, through two server processes on one database."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from payflow.v1 import payment_intent_pb2 as pb
from tests.books import assert_books_right, assert_psp_agrees
from tests.databases import Database
from tests.payments import ApiError, Caller, Reply
from tests.racing import at_once, split
from tests.stack import Stack, running_stack

CURRENCIES = ("USD", "JPY", "KWD")
FLOWS = 200
FLOWS_AT_ONCE = 16
DUPLICATES = 100
ROUNDS = 5
PSP_DELAY_S = 0.3


@pytest.fixture(scope="module")
def stack(
    new_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory, valkey_url: str
) -> Iterator[Stack]:
    settings = {
        "REDIS_URL": valkey_url,
        # A crowd that comes at once finds them, and need not wait until each is opened.
        "DB_MAX_IDLE_CONNS": "25",
    }
    with running_stack(new_database(), tmp_path_factory.mktemp("races"), **settings) as running:
        yield running


@pytest.fixture(scope="module")
def addresses(stack: Stack) -> tuple[str, str]:
    """Two server processes on one database."""
    return stack.serve(), stack.serve()


@pytest.fixture
def callers(stack: Stack, addresses: tuple[str, str]) -> Iterator[list[Caller]]:
    """One caller to each process, for a merchant that nobody has heard of."""
    merchant_id = f"merchant_{uuid4().hex}"
    with Caller(addresses[0], merchant_id) as one, Caller(addresses[1], merchant_id) as other:
        yield [one, other]
    stack.simulator.behave()
    assert_books_right(stack.database.owner_url)
    assert_psp_agrees(stack.database.owner_url, stack.simulator)


def alternating(callers: list[Caller], count: int) -> list[Caller]:
    return list(islice(cycle(callers), count))


def executed(stack: Stack, intent_id: str) -> list[str]:
    """The operations that the PSP executed for an intent, in order."""
    executions = stack.simulator.executions()
    return [one["operation"] for one in executions if one["reference"].startswith(intent_id)]


def intents_of(stack: Stack, merchant_id: str) -> list[str]:
    with psycopg.connect(stack.database.owner_url) as connection:
        found = connection.execute("SELECT id FROM payment_intents WHERE merchant_id = %s", [merchant_id])
        return [row[0] for row in found]


def until_answered(call: Callable[[], Reply]) -> Reply:
    """Calls again for as long as the first call with the key is running, as the error says."""
    while True:
        try:
            return call()
        except ApiError as error:
            assert error.reason == "IDEMPOTENCY_KEY_IN_USE" and error.retry_after_s
            time.sleep(error.retry_after_s)


def create_call(caller: Caller, key: str, amount: int = 10_000) -> Callable[[], Reply]:
    request = pb.CreatePaymentIntentRequest(merchant_id=caller.merchant_id, amount=amount, currency="USD")
    return partial(caller.reply, caller.intents.CreatePaymentIntent, request, key)


def authorize_call(caller: Caller, intent_id: str, key: str) -> Callable[[], Reply]:
    request = pb.AuthorizePaymentIntentRequest(id=intent_id)
    return partial(caller.reply, caller.intents.AuthorizePaymentIntent, request, key)


def resuming(stack: Stack, call: Callable[[], Reply]) -> Callable[[], Reply]:
    """The call, which lets the PSP go on as soon as it is refused."""

    def call_and_resume() -> Reply:
        try:
            return call()
        except ApiError:
            stack.simulator.resume()
            raise

    return call_and_resume


def assert_one_answer_and_replays(calls: list[Callable[[], Reply]]) -> tuple[Any, list[ApiError]]:
    """All at once: one is run, the others get its answer, at once or after a wait. Answers the message."""
    answered, refused = split(at_once(calls))
    assert {(error.reason, error.retry_after_s is not None) for error in refused} <= {
        ("IDEMPOTENCY_KEY_IN_USE", True)
    }
    later = [until_answered(call) for call in calls]
    assert all(reply.replayed for reply in later)
    assert sum(not reply.replayed for reply in answered) == 1
    bodies = {reply.message.SerializeToString(deterministic=True) for reply in answered + later}
    assert len(bodies) == 1
    return later[0].message, refused


@pytest.mark.parametrize("psp_delay_s", [0, PSP_DELAY_S], ids=["fast-psp", "slow-psp"])
def test_five_callers_authorize_one_intent(stack: Stack, callers: list[Caller], psp_delay_s: float) -> None:
    for _ in range(ROUNDS):
        intent = callers[0].create()
        stack.simulator.behave(hang_s=psp_delay_s)
        outcomes = at_once([partial(caller.authorize, intent.id) for caller in alternating(callers, 5)])
        authorized, refused = split(outcomes)
        assert [one.status for one in authorized] == [pb.PAYMENT_INTENT_STATUS_AUTHORIZED]
        assert [error.reason for error in refused] == ["INVALID_STATE_TRANSITION"] * 4
        assert executed(stack, intent.id) == ["authorize"]


def test_a_hundred_duplicates_of_one_create(stack: Stack, callers: list[Caller]) -> None:
    calls = [create_call(caller, "one-create") for caller in alternating(callers, DUPLICATES)]
    intent, _ = assert_one_answer_and_replays(calls)
    assert intents_of(stack, callers[0].merchant_id) == [intent.id]


def test_a_hundred_duplicates_of_one_authorize(stack: Stack, callers: list[Caller]) -> None:
    intent = callers[0].create()
    calls = [
        resuming(stack, authorize_call(caller, intent.id, "one"))
        for caller in alternating(callers, DUPLICATES)
    ]
    with stack.simulator.paused():
        authorized, in_use = assert_one_answer_and_replays(calls)
    assert authorized.status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED
    assert in_use, "none came while the first was running"
    assert executed(stack, intent.id) == ["authorize"]


def test_one_key_for_two_different_creates(stack: Stack, callers: list[Caller]) -> None:
    for number in range(ROUNDS):
        calls = [create_call(caller, f"key-{number}", amount) for amount, caller in enumerate(callers, 100)]
        created, refused = split(at_once(calls))
        assert len(created) == 1
        assert [error.reason for error in refused] == ["IDEMPOTENCY_KEY_REUSED"]
    assert len(intents_of(stack, callers[0].merchant_id)) == ROUNDS


@pytest.mark.parametrize("psp_delay_s", [0, PSP_DELAY_S], ids=["fast-psp", "slow-psp"])
def test_one_key_for_authorizing_two_intents(stack: Stack, callers: list[Caller], psp_delay_s: float) -> None:
    for number in range(ROUNDS):
        intents = [callers[0].create() for _ in callers]
        stack.simulator.behave(hang_s=psp_delay_s)
        calls = [
            authorize_call(caller, intent.id, f"key-{number}")
            for caller, intent in zip(callers, intents, strict=True)
        ]
        authorized, refused = split(at_once(calls))
        assert len(authorized) == 1
        assert [error.reason for error in refused] == ["IDEMPOTENCY_KEY_REUSED"]
        assert sorted(executed(stack, intent.id) for intent in intents) == [[], ["authorize"]]


@pytest.mark.parametrize("psp_delay_s", [0, PSP_DELAY_S], ids=["fast-psp", "slow-psp"])
def test_two_refunds_of_sixty_on_a_capture_of_a_hundred(
    stack: Stack, callers: list[Caller], psp_delay_s: float
) -> None:
    for _ in range(ROUNDS):
        stack.simulator.behave()
        intent = callers[0].captured(100)
        stack.simulator.behave(hang_s=psp_delay_s)
        refunded, refused = split(at_once([partial(caller.refund, intent.id, 60) for caller in callers]))
        assert [one.amount for one in refunded] == [60]
        assert [error.reason for error in refused] == ["AMOUNT_EXCEEDS_REFUNDABLE"]
        assert callers[0].get(intent.id).refunded_amount == 60


@pytest.mark.parametrize("psp_delay_s", [0, PSP_DELAY_S], ids=["fast-psp", "slow-psp"])
def test_a_capture_races_a_cancel(stack: Stack, callers: list[Caller], psp_delay_s: float) -> None:
    for _ in range(ROUNDS):
        stack.simulator.behave()
        intent = callers[0].create()
        callers[0].authorize(intent.id)
        stack.simulator.behave(hang_s=psp_delay_s)
        outcomes = at_once([partial(callers[0].capture, intent.id), partial(callers[1].cancel, intent.id)])
        won, refused = split(outcomes)
        assert [error.reason for error in refused] == ["INVALID_STATE_TRANSITION"]
        winner = {pb.PAYMENT_INTENT_STATUS_CAPTURED: "capture", pb.PAYMENT_INTENT_STATUS_CANCELED: "cancel"}
        assert [winner[one.status] for one in won] == executed(stack, intent.id)[1:]


def test_ten_flows_at_once(callers: list[Caller]) -> None:
    captured, refused = split(at_once([caller.captured for caller in alternating(callers, 10)]))
    assert refused == []
    assert [one.captured_amount for one in captured] == [10_000] * 10
    assert_trial_balance_zero(callers[0], {"USD": 100_000})


def test_two_hundred_flows_with_random_captures_and_refunds(stack: Stack, callers: list[Caller]) -> None:
    at_once_in_turns = [partial(many_flows, callers, seed) for seed in range(FLOWS_AT_ONCE)]
    kept, refused = split(at_once(at_once_in_turns))
    assert refused == []
    clearing = {currency: sum(one[currency] for one in kept) for currency in CURRENCIES}
    assert len(intents_of(stack, callers[0].merchant_id)) == FLOWS
    assert_trial_balance_zero(callers[0], clearing)


def many_flows(callers: list[Caller], seed: int) -> dict[str, int]:
    """One thread's share of the flows; answers what is left at the PSP, by currency."""
    randomness = random.Random(seed)
    kept = dict.fromkeys(CURRENCIES, 0)
    for _ in range(seed, FLOWS, FLOWS_AT_ONCE):
        currency = randomness.choice(CURRENCIES)
        kept[currency] += one_flow(callers, currency, randomness)
    return kept


def one_flow(callers: list[Caller], currency: str, randomness: random.Random) -> int:
    """Captures a part and refunds parts of it, each step through either process; answers what is left."""
    amount = randomness.randint(1, 1_000_000)
    intent = randomness.choice(callers).create(amount, currency)
    randomness.choice(callers).authorize(intent.id)
    captured = randomness.choice((amount, randomness.randint(1, amount)))
    randomness.choice(callers).capture(intent.id, captured)
    left = captured
    for _ in range(randomness.randint(0, 3)):
        if left > 0:
            left -= randomness.choice(callers).refund(intent.id, randomness.randint(1, left)).amount
    seen = randomness.choice(callers).get(intent.id)
    assert (seen.captured_amount, seen.refunded_amount) == (captured, captured - left)
    return left


def assert_trial_balance_zero(caller: Caller, clearing: dict[str, int]) -> None:
    """Zero in every currency, nothing held, and in the clearing account what is left at the PSP."""
    trial = caller.trial_balance()
    assert {total.currency: total.difference for total in trial.totals} == dict.fromkeys(clearing, 0)
    assert all(one.pending_debits == one.pending_credits == 0 for one in trial.balances)
    posted = {one.account_id: one.posted for one in trial.balances}
    assert {currency: posted[f"sys:psp_clearing:simulator:{currency}"] for currency in clearing} == clearing
