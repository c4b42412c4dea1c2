"""Booking a transaction: what it refuses, and that a refusal moves nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding.submission import Refused
from payflow.domain.folding.working_set import Changes
from payflow.domain.intent.commands import CreateIntent, StartAuthorize
from payflow.domain.intent.state import Attempt, CaptureMethod
from payflow.domain.ledger.account import Account, AccountType, Balance
from payflow.domain.ledger.booking import INT64_MAX, book
from payflow.domain.ledger.transaction import DraftTransaction, Layer, Posting, TransactionStatus
from payflow.domain.merchant.commands import UpdatePspAccount
from payflow.domain.merchant.decide import SIMULATOR
from payflow.domain.psp_outcome import Approved
from tests.core import START, Core, copied, outcome_of

CASH = Account("cash", AccountType.ASSET, "USD")
SALES = Account("sales", AccountType.REVENUE, "USD", allow_negative=True)
OWED = Account("owed", AccountType.LIABILITY, "USD")
YEN = Account("yen", AccountType.ASSET, "JPY")
ACCOUNTS = {account.id: account for account in (CASH, SALES, OWED, YEN)}


def posting(account_id: str, amount: int, currency: str = "USD", layer: Layer = Layer.POSTED) -> Posting:
    return Posting(account_id, amount, currency, layer)


def pending(account_id: str, amount: int, releases: bool = False) -> Posting:
    return Posting(account_id, amount, "USD", Layer.PENDING, releases)


@pytest.mark.parametrize(
    ("postings", "reason"),
    [
        ((posting("cash", 5), posting("sales", -4)), Reason.UNBALANCED_TRANSACTION),
        ((posting("cash", 5), pending("sales", -5)), Reason.UNBALANCED_TRANSACTION),
        ((posting("cash", 5), posting("yen", -5, "JPY")), Reason.UNBALANCED_TRANSACTION),
        ((posting("cash", 5), posting("cash", 0), posting("sales", -5)), Reason.VALIDATION_FAILED),
        ((posting("cash", 5), posting("yen", -5)), Reason.CURRENCY_MISMATCH),
        ((posting("cash", -11), posting("sales", 11)), Reason.INSUFFICIENT_BALANCE),
        ((pending("cash", -11), pending("sales", 11)), Reason.INSUFFICIENT_BALANCE),
        (
            (posting("cash", 1), posting("owed", -1), pending("owed", 2), pending("sales", -2)),
            Reason.INSUFFICIENT_BALANCE,
        ),
        ((posting("cash", INT64_MAX - 9), posting("sales", -INT64_MAX + 9)), Reason.VALIDATION_FAILED),
    ],
)
def test_refusal_moves_nothing(postings: tuple[Posting, ...], reason: Reason) -> None:
    balances = {"cash": Balance(posted=10, version=3, recorded_at=START)}
    before = dict(balances)
    with pytest.raises(PayFlowError) as refused:
        book(DraftTransaction("txn", postings), ACCOUNTS, balances, START)
    assert refused.value.reason is reason
    assert balances == before


def test_entries_continue_their_accounts() -> None:
    balances = {"cash": Balance(posted=10, version=3, recorded_at=START + timedelta(seconds=9))}
    draft = DraftTransaction("txn", (posting("cash", 5), posting("cash", -7), posting("sales", 2)))
    booked = book(draft, ACCOUNTS, balances, START)
    assert booked.status is TransactionStatus.POSTED
    # The clock is behind the account's last entry: time does not fall.
    assert booked.recorded_at == START + timedelta(seconds=9)
    assert [(one.account_id, one.account_version, one.posted_after) for one in booked.entries] == [
        ("cash", 4, 15),
        ("cash", 5, 8),
        ("sales", 1, 2),
    ]
    assert balances == {
        "cash": Balance(8, 0, 0, 5, booked.recorded_at),
        "sales": Balance(2, 0, 0, 1, booked.recorded_at),
    }


def test_holds_are_sums_of_their_own() -> None:
    balances: dict[str, Balance] = {}
    hold = book(
        DraftTransaction("hold", (pending("cash", 5), pending("sales", -5))), ACCOUNTS, balances, START
    )
    assert hold.status is TransactionStatus.PENDING
    assert (balances["cash"].pending_debits, balances["sales"].pending_credits) == (5, 5)
    # Pending inflows do not count as available.
    assert balances["cash"].available(AccountType.ASSET) == 0
    release = (pending("cash", -5, releases=True), pending("sales", 5, releases=True))
    void = book(DraftTransaction("void", release, "hold"), ACCOUNTS, balances, START)
    assert void.status is TransactionStatus.POSTED
    assert balances["cash"] == Balance(version=2, recorded_at=START)
    assert balances["sales"] == Balance(version=2, recorded_at=START)


def test_command_that_is_refused_by_the_ledger_leaves_no_trace() -> None:
    core = Core()
    core.add_merchant("shop", fee_bps=0)
    core.apply(outcome_of("shop", begin_sale(core), Approved("psp-1")))
    core.apply(UpdatePspAccount("shop", SIMULATOR, fee_bps=300))
    sale = begin_sale(core)
    books = core.working.books["shop"]
    clearing, fees = "sys:psp_clearing:simulator:USD", "sys:platform_fees:simulator:USD"
    books.balances[clearing] = replace(books.balances[clearing], posted=INT64_MAX - 50)
    assert fees not in books.accounts
    before = copied(core.working)
    # The first capture with a fee would open the fee account, but the clearing account is full.
    result = core.run(outcome_of("shop", sale, Approved("psp-2")))
    assert isinstance(result, Refused)
    assert result.error.reason is Reason.VALIDATION_FAILED
    assert core.working == before
    assert core.changes == Changes()


def begin_sale(core: Core) -> Attempt:
    created = core.creation("shop", 100, capture_method=CaptureMethod.AUTOMATIC)
    core.fold(created)
    assert isinstance(created.command, CreateIntent)
    due = core.apply(StartAuthorize("shop", created.command.intent_id, SIMULATOR)).psp_call
    assert due is not None
    return due.attempt
