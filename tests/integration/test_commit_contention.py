"""Several committers on one database: nothing is lost, and conflicts are retried, counted and bounded."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import psycopg
import pytest

from payflow.domain.errors import Reason
from payflow.domain.folding.submission import Applied, Refused, Result
from payflow.domain.merchant import decide as merchant_decisions
from payflow.domain.merchant.state import Merchant
from payflow.store.commit import loading
from payflow.store.commit.metrics import BATCH_RETRIES
from tests.books import assert_books_right, open_attempts
from tests.contention import AMOUNT, FEE, REFUNDED, Contention, hammer
from tests.databases import Database
from tests.submissions import Till, captured, committer, one_batch
from tests.waiting import WAIT_S

THREADS = 3
PROCESSES = 2
PAYMENTS = 12
# Far more than conflicts need, and far less than if they fed on each other.
RETRIES_PER_BATCH_MAX = 5
# A lock that is waited for too long is one where the machine is busy; the last one is a statement whose
# preparation was cut off by one of the others.
CONFLICTS = {"40001", "40P01", "23505", "55P03", "StaleWriteError", "26000"}


def _prepare(database: Database, merchant_id: str) -> None:
    """The merchant, with its accounts open."""
    till = Till(merchant_id, seed=-1)
    one_batch(database.application_url, [till.merchant()])
    pipeline = committer(database.application_url)
    pipeline.start()
    captured(pipeline, till, AMOUNT)
    pipeline.close()


def _posted(database: Database, merchant_id: str) -> dict[str, int]:
    with psycopg.connect(database.owner_url) as connection:
        query = "SELECT split_part(account_id, ':', 2), posted FROM balances WHERE merchant_id = %s"
        return dict(connection.execute(query, [merchant_id]).fetchall())


def _assert_nothing_lost(database: Database, merchant_id: str, payments: int) -> None:
    """One payment more was captured to open the accounts."""
    captured_amount = AMOUNT * (payments + 1)
    fees = FEE * (payments + 1)
    refunded = REFUNDED * payments
    assert _posted(database, merchant_id) == {
        "psp_clearing": captured_amount - refunded,
        "merchant_payable": -(captured_amount - fees - refunded),
        "platform_fees": -fees,
    }
    assert open_attempts(database.owner_url) == 0
    assert_books_right(database.owner_url)


def test_committers_in_threads_that_do_not_take_turns_lose_nothing(database: Database) -> None:
    merchant_id = "threads"
    _prepare(database, merchant_id)
    before = BATCH_RETRIES.labels("40001")._value.get()
    with ThreadPoolExecutor(THREADS) as executor:
        done = list(
            executor.map(
                lambda lane: hammer(database.application_url, merchant_id, lane, PAYMENTS, lane),
                range(THREADS),
            )
        )
    _assert_nothing_lost(database, merchant_id, THREADS * PAYMENTS)
    conflicts = BATCH_RETRIES.labels("40001")._value.get() - before
    assert 0 < conflicts < RETRIES_PER_BATCH_MAX * max(one.batches for one in done)


@pytest.mark.parametrize("turns", [True, False], ids=["taking turns", "without turns"])
def test_committers_in_processes_lose_nothing(database: Database, turns: bool) -> None:
    merchant_id = f"processes-{turns}"
    _prepare(database, merchant_id)
    lanes = [0] * PROCESSES if turns else range(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as executor:
        running = [
            executor.submit(hammer, database.application_url, merchant_id, number, PAYMENTS, lane)
            for number, lane in enumerate(lanes)
        ]
        done: list[Contention] = [one.result(WAIT_S) for one in running]
    _assert_nothing_lost(database, merchant_id, PROCESSES * PAYMENTS)
    for one in done:
        assert one.payments == PAYMENTS
        assert sum(one.retries.values()) <= RETRIES_PER_BATCH_MAX * one.batches
        assert one.retries.keys() <= CONFLICTS


SLOTS = (7, 8)


@pytest.fixture
def colliding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every merchant would like slot 7 best, and slot 8 otherwise."""
    for module in (merchant_decisions, loading):
        monkeypatch.setattr(module, "slot_candidates", lambda merchant_id: SLOTS)


def _slot(result: Result) -> int:
    assert isinstance(result, Applied) and isinstance(result.resource, Merchant)
    return result.resource.slot


def _forget_slots(database: Database) -> None:
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("DELETE FROM merchants WHERE slot = ANY (%s)", [list(SLOTS)])


@pytest.mark.usefixtures("colliding")
def test_merchants_that_would_like_the_same_slot_get_different_ones_in_one_batch(database: Database) -> None:
    _forget_slots(database)
    names = ("one-batch-a", "one-batch-b", "one-batch-c")
    first, second, third = one_batch(database.application_url, [Till(name).merchant() for name in names])
    assert (_slot(first), _slot(second)) == SLOTS
    assert isinstance(third, Refused) and third.error.reason is Reason.LIMIT_REACHED


@pytest.mark.usefixtures("colliding")
def test_merchants_that_would_like_the_same_slot_get_different_ones_in_two_batches(
    database: Database,
) -> None:
    _forget_slots(database)
    results = [one_batch(database.application_url, [Till(f"two-{n}").merchant()])[0] for n in range(2)]
    assert tuple(map(_slot, results)) == SLOTS
    [again] = one_batch(database.application_url, [Till("two-0").merchant()])
    assert _slot(again) == SLOTS[0]


@pytest.mark.usefixtures("colliding")
def test_merchants_that_race_for_a_slot_get_different_ones(database: Database) -> None:
    _forget_slots(database)
    start = threading.Barrier(len(SLOTS))

    def create(name: str) -> Result:
        start.wait(WAIT_S)
        return one_batch(database.application_url, [Till(name).merchant()])[0]

    with ThreadPoolExecutor(len(SLOTS)) as executor:
        results = list(executor.map(create, ("race-a", "race-b")))
    assert sorted(map(_slot, results)) == list(SLOTS)
