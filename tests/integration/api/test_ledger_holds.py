"""Holds: placed, posted in full or in part, voided, lapsed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from payflow.v1 import ledger_pb2 as pb
from tests.books import assert_books_right
from tests.databases import Database
from tests.http_payments import HttpCaller
from tests.identifiers import never_given
from tests.in_process import InProcess, in_process, served
from tests.integration.api.ledger_refusals import nothing_written, refused
from tests.ledger_caller import LedgerCaller, Line, opened_books
from tests.payments import ApiError
from tests.plain_messages import plain
from tests.stack import Stack

POSTED, PENDING, RESOLVED = (
    pb.TRANSACTION_STATUS_POSTED,
    pb.TRANSACTION_STATUS_PENDING,
    pb.TRANSACTION_STATUS_RESOLVED,
)
TTL_S = 60
AN_INSTANT_S = 0.000_001
LAST_TRANSACTION = (
    "SELECT id FROM transactions WHERE merchant_id = %s ORDER BY recorded_at DESC, id DESC LIMIT 1"
)


def shape(transaction: Any) -> list[tuple[str, str, int, bool]]:
    """What a transaction's entries do."""
    told = plain(transaction)["entries"]
    return [(one["account_id"], one["layer"], one["amount"], one["releases"]) for one in told]


def assert_refused(error: pytest.ExceptionInfo[ApiError], subject: str) -> None:
    assert (error.value.code.name, error.value.reason) == ("FAILED_PRECONDITION", "INVALID_STATE_TRANSITION")
    assert error.value.message.startswith(f"transaction {subject}")


def test_a_hold_reserves_what_flows_out_and_nothing_else(books: LedgerCaller) -> None:
    books.post(("till", 100), ("owed", -100))
    hold = books.hold(("till", -30), ("cash", 30), metadata={"order": "7"}, reference="hold-7")
    assert (hold.status, hold.reference, dict(hold.metadata)) == (PENDING, "hold-7", {"order": "7"})
    assert not hold.HasField("expires_at")
    assert shape(hold) == [("till", "PENDING", -30, False), ("cash", "PENDING", 30, False)]
    first, second = hold.entries
    assert (first.balance_after, first.posted_after, first.available_after) == (-30, 100, 70)
    assert (second.balance_after, second.posted_after, second.available_after) == (30, 0, 0)
    assert books.sums("till") == (100, 0, 30, 70, 2)
    assert books.sums("cash") == (0, 30, 0, 0, 1)
    with pytest.raises(ApiError, match="INSUFFICIENT_BALANCE"):
        books.post(("till", -71), ("cash", 71))
    books.hold(("till", -70), ("cash", 70))
    assert books.balance("till").available == 0
    assert books.transaction(hold.id) == hold


def test_a_hold_is_posted_in_full(books: LedgerCaller) -> None:
    hold = books.hold(("cash", 30), ("owed", -30))
    posted = books.post_hold(hold.id, description="Shipped", metadata={"order": "7"})
    assert posted.id != hold.id
    assert (posted.status, posted.resolves_transaction_id) == (POSTED, hold.id)
    assert (posted.description, dict(posted.metadata)) == ("Shipped", {"order": "7"})
    assert shape(posted) == [
        ("cash", "PENDING", -30, True),
        ("owed", "PENDING", 30, True),
        ("cash", "POSTED", 30, False),
        ("owed", "POSTED", -30, False),
    ]
    assert [entry.balance_after for entry in posted.entries] == [0, 0, 30, -30]
    assert books.sums("cash") == (30, 0, 0, 30, 3)
    resolved = books.transaction(hold.id)
    assert (resolved.status, resolved.resolved_by_transaction_id) == (RESOLVED, posted.id)
    assert resolved.entries == hold.entries
    assert books.transaction(posted.id) == posted


@pytest.mark.parametrize("amount", [1, 29, 30])
def test_a_hold_is_posted_in_part_and_the_rest_released(books: LedgerCaller, amount: int) -> None:
    hold = books.hold(("cash", 30), ("owed", -30))
    posted = books.post_hold(hold.id, amount)
    assert shape(posted)[:2] == [("cash", "PENDING", -30, True), ("owed", "PENDING", 30, True)]
    assert shape(posted)[2:] == [("cash", "POSTED", amount, False), ("owed", "POSTED", -amount, False)]
    assert books.sums("cash") == (amount, 0, 0, amount, 3)


@pytest.mark.parametrize("amount", [0, -1, 31, 2**63 - 1, -(2**63)])
def test_an_amount_that_was_not_held(
    books: LedgerCaller, http: HttpCaller, stack: Stack, amount: int
) -> None:
    hold = books.hold(("cash", 30), ("owed", -30))
    with nothing_written(stack):
        refusal = refused(books, http, "post hold", {"id": hold.id, "amount": amount})
    assert (refusal.reason, refusal.fields) == ("VALIDATION_FAILED", ("amount",))
    assert books.post_hold(hold.id).entries[2].amount == 30


def test_a_hold_of_more_than_two_entries_is_posted_whole(books: LedgerCaller, stack: Stack) -> None:
    hold = books.hold(("cash", 30), ("owed", -20), ("sales", -10))
    with nothing_written(stack), pytest.raises(ApiError, match="VALIDATION_FAILED") as error:
        books.post_hold(hold.id, 30)
    assert error.value.fields == ["amount"]
    assert [amount for _, _, amount, _ in shape(books.post_hold(hold.id))] == [-30, 20, 10, 30, -20, -10]


def test_a_hold_in_two_currencies_and_of_a_hundred_entries(books: LedgerCaller) -> None:
    lines: list[Line] = [("cash", 2), ("owed", -2), ("euros", 3, "EUR"), ("euros_owed", -3, "EUR")]
    posted = books.post_hold(books.hold(*lines * 25).id)
    assert len(posted.entries) == 200
    assert books.sums("euros") == (75, 0, 0, 75, 75)
    assert books.transaction(posted.id) == posted


def test_a_hold_is_voided(books: LedgerCaller) -> None:
    hold = books.hold(("cash", 30), ("owed", -30))
    void = books.void(hold.id, description="Out of stock", metadata={"order": "7"})
    assert (void.status, void.resolves_transaction_id, void.description) == (POSTED, hold.id, "Out of stock")
    assert shape(void) == [("cash", "PENDING", -30, True), ("owed", "PENDING", 30, True)]
    assert books.sums("cash") == (0, 0, 0, 0, 2)
    assert books.transaction(hold.id).resolved_by_transaction_id == void.id


def test_a_hold_is_resolved_once_and_only_a_hold_is(
    books: LedgerCaller, http: HttpCaller, stack: Stack
) -> None:
    posted, voided = (books.hold(("cash", 30), ("owed", -30)) for _ in range(2))
    by = [books.post_hold(posted.id, 5), books.void(voided.id), books.post(("cash", 1), ("owed", -1))]
    for transaction in (posted, voided, *by):
        for rpc in ("post hold", "void"):
            with nothing_written(stack):
                refusal = refused(books, http, rpc, {"id": transaction.id})
            assert refusal.reason == "INVALID_STATE_TRANSITION"


@pytest.mark.parametrize("rpc", ["post hold", "void", "reverse"])
def test_what_is_not_there_is_not_found(
    books: LedgerCaller, http: HttpCaller, stack: Stack, address: str, rpc: str
) -> None:
    hold = books.hold(("cash", 30), ("owed", -30))
    never = never_given(hold.id)
    with opened_books(address, f"{books.merchant_id}_other") as others, nothing_written(stack):
        for identifier in (never, "txn_1", "cash"):
            assert refused(books, http, rpc, {"id": identifier}).reason == "NOT_FOUND"
        theirs = {"id": hold.id, "merchant_id": others.merchant_id}
        assert refused(books, http, rpc, theirs).reason == "NOT_FOUND"


@pytest.mark.parametrize("rpc", ["post hold", "void", "reverse"])
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"description": "d" * 1_001}, "description"),
        ({"metadata": {"k" * 41: ""}}, "metadata key"),
        ({"metadata": {f"{number}": "" for number in range(51)}}, "metadata"),
        ({"merchant_id": "no/body"}, ""),
    ],
    ids=["description", "key", "keys", "merchant"],
)
def test_a_bad_field(
    books: LedgerCaller, http: HttpCaller, stack: Stack, rpc: str, change: dict[str, Any], field: str
) -> None:
    hold = books.hold(("cash", 30), ("owed", -30))
    with nothing_written(stack):
        refusal = refused(books, http, rpc, {"id": hold.id} | change)
    assert (refusal.reason, refusal.fields) == (
        ("VALIDATION_FAILED", (field,)) if field else ("NOT_FOUND", ())
    )


def test_an_id_is_required(books: LedgerCaller) -> None:
    for call in (books.post_hold, books.void, books.reverse):
        with pytest.raises(ApiError, match="VALIDATION_FAILED") as error:
            call("")
        assert error.value.fields == ["id"]


def test_a_payments_hold_and_postings_are_closed(books: LedgerCaller, http: HttpCaller, stack: Stack) -> None:
    intent = books.create()
    owned = []
    for step in (books.authorize, books.capture):
        step(intent.id)
        with psycopg.connect(stack.database.owner_url) as connection:
            row = connection.execute(LAST_TRANSACTION, [books.merchant_id]).fetchone()
        assert row is not None
        owned.append(row[0])
        with nothing_written(stack):
            for transaction_id in owned:
                for rpc in ("post hold", "void", "reverse"):
                    refusal = refused(books, http, rpc, {"id": transaction_id})
                    assert refusal.reason == "INVALID_STATE_TRANSITION"
    assert [books.transaction(one).status for one in owned] == [RESOLVED, POSTED]


@pytest.fixture(scope="module")
def payflow(
    new_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InProcess]:
    """Under a clock that is turned."""
    with in_process(new_database(), tmp_path_factory.mktemp("holds")) as running:
        yield running


@pytest.fixture(scope="module")
def clocked_address(payflow: InProcess) -> Iterator[str]:
    with served(payflow.core, payflow.settings) as address:
        yield address


@pytest.fixture
def clocked(clocked_address: str, request: pytest.FixtureRequest) -> Iterator[LedgerCaller]:
    """A caller with books of its own under the turned clock."""
    with opened_books(clocked_address, request.node.name[:64]) as caller:
        yield caller


def in_s(payflow: InProcess, seconds: float) -> datetime:
    return payflow.clock.now() + timedelta(seconds=seconds)


def test_a_hold_is_open_until_its_last_instant(payflow: InProcess, clocked: LedgerCaller) -> None:
    hold = clocked.hold(("cash", 30), ("owed", -30), expires_at=in_s(payflow, TTL_S))
    assert hold.expires_at.ToDatetime(UTC) == in_s(payflow, TTL_S)
    payflow.clock.forward(seconds=TTL_S - AN_INSTANT_S)
    assert payflow.recovery.holds() == 0
    assert clocked.post_hold(hold.id).entries[2].amount == 30
    payflow.clock.forward(seconds=AN_INSTANT_S)
    assert payflow.recovery.holds() == 0


def test_a_lapsed_hold_is_voided_by_the_worker_and_not_posted(
    payflow: InProcess, clocked: LedgerCaller
) -> None:
    hold = clocked.hold(("cash", 30), ("owed", -30), expires_at=in_s(payflow, TTL_S))
    lasting = clocked.hold(("cash", 5), ("owed", -5))
    payflow.clock.forward(seconds=TTL_S)
    with pytest.raises(ApiError) as error:
        clocked.post_hold(hold.id)
    assert_refused(error, hold.id)
    assert clocked.sums("cash") == (0, 35, 0, 0, 2)
    assert payflow.recovery.holds() == 1
    assert payflow.recovery.holds() == 0
    lapsed = clocked.transaction(hold.id)
    assert lapsed.status == RESOLVED
    void = clocked.transaction(lapsed.resolved_by_transaction_id)
    assert void.resolves_transaction_id == hold.id
    assert void.created_at.ToDatetime(UTC) == payflow.clock.now()
    assert shape(void) == [("cash", "PENDING", -30, True), ("owed", "PENDING", 30, True)]
    assert clocked.sums("cash") == (0, 5, 0, 0, 3)
    assert clocked.transaction(lasting.id).status == PENDING
    assert_books_right(payflow.url)


def test_a_lapsed_hold_may_be_voided_before_the_worker_comes(
    payflow: InProcess, clocked: LedgerCaller
) -> None:
    hold = clocked.hold(("cash", 30), ("owed", -30), expires_at=in_s(payflow, TTL_S))
    payflow.clock.forward(seconds=2 * TTL_S)
    assert clocked.void(hold.id).resolves_transaction_id == hold.id
    assert payflow.recovery.holds() == 0


def test_a_hold_cannot_lapse_before_it_is_placed(payflow: InProcess, clocked: LedgerCaller) -> None:
    for seconds in (0, -AN_INSTANT_S, -TTL_S):
        with pytest.raises(ApiError, match="VALIDATION_FAILED") as error:
            clocked.hold(("cash", 30), ("owed", -30), expires_at=in_s(payflow, seconds))
        assert error.value.fields == ["expires_at"]
    clocked.void(clocked.hold(("cash", 30), ("owed", -30), expires_at=in_s(payflow, AN_INSTANT_S)).id)
    with pytest.raises(ApiError, match="VALIDATION_FAILED") as error:
        clocked.post(("cash", 30), ("owed", -30), expires_at=in_s(payflow, TTL_S))
    assert error.value.fields == ["expires_at"]


def test_a_hold_is_answered_again_when_it_has_lapsed(payflow: InProcess, clocked: LedgerCaller) -> None:
    lines: list[Line] = [("cash", 30), ("owed", -30)]
    expires_at = in_s(payflow, TTL_S)
    hold = clocked.hold(*lines, key="once", expires_at=expires_at)
    in_bulk = clocked.posting(*lines, pending=True, expires_at=expires_at)
    results = clocked.bulk(in_bulk, key="bulk")
    payflow.clock.forward(seconds=TTL_S)
    assert clocked.hold(*lines, key="once", expires_at=expires_at) == hold
    assert clocked.bulk(in_bulk, key="bulk") == results
    assert clocked.bulk(in_bulk)[0].error.field == "transactions[0].expires_at"
    assert payflow.recovery.holds() == 2


def test_what_lapses_by_the_hundred_is_swept_in_turns(payflow: InProcess, clocked: LedgerCaller) -> None:
    expires_at = in_s(payflow, TTL_S)
    wanted = clocked.posting(("cash", 1), ("owed", -1), pending=True, expires_at=expires_at)
    assert all(result.HasField("transaction") for result in clocked.bulk(*[wanted] * 250))
    payflow.clock.forward(seconds=TTL_S)
    swept = 0
    while found := payflow.recovery.holds():
        swept += found
    assert swept >= 250
    assert clocked.sums("cash") == (0, 0, 0, 0, 500)
    assert_books_right(payflow.url)


def test_a_retry_is_answered_after_the_hold_has_lapsed(payflow: InProcess, clocked: LedgerCaller) -> None:
    """Refused, its caller would believe that nothing is held."""
    lines = (("cash", 30), ("owed", -30))
    expires_at = in_s(payflow, TTL_S)
    hold = clocked.hold(*lines, key="lapses", expires_at=expires_at)
    payflow.clock.forward(seconds=TTL_S)
    assert clocked.hold(*lines, key="lapses", expires_at=expires_at) == hold
    with pytest.raises(ApiError, match="VALIDATION_FAILED") as refused:
        clocked.hold(*lines, key="too late", expires_at=expires_at)
    assert refused.value.fields == ["expires_at"]
