"""The accounting table of the design, line by line, with exact debits and credits."""

from __future__ import annotations

import pytest

from payflow.domain.ledger import posting_rules
from payflow.domain.ledger.account import AccountType
from payflow.domain.ledger.chart import Role, system_account
from payflow.domain.ledger.posting_rules import Book, Hold
from payflow.domain.ledger.transaction import DraftTransaction, Layer

BOOK = Book("simulator", "USD")
HOLD = Hold("txn_hold", 10_000)
POSTED, PENDING = Layer.POSTED, Layer.PENDING

Line = tuple[str, Layer, int, bool]


def lines(draft: DraftTransaction) -> set[Line]:
    found = [(one.account_id, one.layer, one.amount, one.releases) for one in draft.postings]
    assert {one.currency for one in draft.postings} == {"USD"}
    assert len(set(found)) == len(found)
    return set(found)


def line(role: str, layer: Layer, amount: int, releases: bool = False) -> Line:
    return f"sys:{role}:simulator:USD", layer, amount, releases


RELEASED = {line("psp_clearing", PENDING, -10_000, True), line("merchant_payable", PENDING, 10_000, True)}
REFUND_RELEASED = {
    line("merchant_payable", PENDING, -10_000, True),
    line("psp_clearing", PENDING, 10_000, True),
}


def test_authorized_holds_clearing_against_payable() -> None:
    draft = posting_rules.authorized(BOOK, "txn_1", 10_000)
    assert lines(draft) == {line("psp_clearing", PENDING, 10_000), line("merchant_payable", PENDING, -10_000)}
    assert (draft.id, draft.resolves_transaction_id, draft.reverses_transaction_id) == ("txn_1", "", "")


def test_captured_posts_less_the_fee_and_releases_all_of_the_hold() -> None:
    draft = posting_rules.captured(BOOK, "txn_2", 6_000, 180, HOLD)
    assert lines(draft) == RELEASED | {
        line("psp_clearing", POSTED, 6_000),
        line("merchant_payable", POSTED, -5_820),
        line("platform_fees", POSTED, -180),
    }
    assert draft.resolves_transaction_id == "txn_hold"


def test_sale_has_no_hold() -> None:
    draft = posting_rules.captured(BOOK, "txn_2", 10_000, 300, None)
    assert lines(draft) == {
        line("psp_clearing", POSTED, 10_000),
        line("merchant_payable", POSTED, -9_700),
        line("platform_fees", POSTED, -300),
    }
    assert draft.resolves_transaction_id == ""


@pytest.mark.parametrize(("fee", "left_out"), [(0, "platform_fees"), (10_000, "merchant_payable")])
def test_zero_entries_are_left_out(fee: int, left_out: str) -> None:
    captured = posting_rules.captured(BOOK, "txn_2", 10_000, fee, None)
    reversal = posting_rules.capture_reversed(BOOK, "txn_3", 10_000, fee, "txn_2")
    for draft in (captured, reversal):
        assert len(draft.postings) == 2
        assert all(left_out not in posting.account_id for posting in draft.postings)


def test_canceled_voids_the_hold() -> None:
    draft = posting_rules.authorization_voided(BOOK, "txn_2", HOLD)
    assert lines(draft) == RELEASED
    assert draft.resolves_transaction_id == "txn_hold"


def test_capture_failed_later_is_the_exact_reversal() -> None:
    captured = posting_rules.captured(BOOK, "txn_2", 6_000, 180, None)
    draft = posting_rules.capture_reversed(BOOK, "txn_3", 6_000, 180, "txn_2")
    assert lines(draft) == {(account, layer, -amount, no) for account, layer, amount, no in lines(captured)}
    assert (draft.resolves_transaction_id, draft.reverses_transaction_id) == ("", "txn_2")


def test_refund_asked_holds_payable_against_clearing() -> None:
    draft = posting_rules.refund_asked(BOOK, "txn_1", 10_000)
    assert lines(draft) == {line("merchant_payable", PENDING, 10_000), line("psp_clearing", PENDING, -10_000)}


def test_refund_succeeded_posts_and_keeps_the_fee() -> None:
    draft = posting_rules.refunded(BOOK, "txn_2", HOLD)
    assert lines(draft) == REFUND_RELEASED | {
        line("merchant_payable", POSTED, 10_000),
        line("psp_clearing", POSTED, -10_000),
    }
    assert draft.resolves_transaction_id == "txn_hold"


def test_refund_failed_voids_the_hold() -> None:
    draft = posting_rules.refund_voided(BOOK, "txn_2", HOLD)
    assert lines(draft) == REFUND_RELEASED
    assert draft.resolves_transaction_id == "txn_hold"


def test_refund_failed_after_success_is_reversed_by_a_new_transaction() -> None:
    draft = posting_rules.refund_reversed(BOOK, "txn_3", 10_000, "txn_2")
    assert lines(draft) == {
        line("merchant_payable", POSTED, -10_000),
        line("psp_clearing", POSTED, 10_000),
    }
    assert (draft.resolves_transaction_id, draft.reverses_transaction_id) == ("", "txn_2")


@pytest.mark.parametrize(
    ("role", "account_id", "account_type"),
    [
        (Role.PSP_CLEARING, "sys:psp_clearing:simulator:USD", AccountType.ASSET),
        (Role.MERCHANT_PAYABLE, "sys:merchant_payable:simulator:USD", AccountType.LIABILITY),
        (Role.PLATFORM_FEES, "sys:platform_fees:simulator:USD", AccountType.REVENUE),
        (Role.PSP_FEES, "sys:psp_fees:simulator:USD", AccountType.EXPENSE),
        (Role.BANK, "sys:bank:simulator:USD", AccountType.ASSET),
    ],
)
def test_chart_of_accounts(role: Role, account_id: str, account_type: AccountType) -> None:
    assert role.account_id("simulator", "USD") == account_id
    account = system_account(account_id)
    assert (account.id, account.type, account.currency, account.allow_negative) == (
        account_id,
        account_type,
        "USD",
        True,
    )


def test_book_knows_every_account_that_a_payment_posts_to() -> None:
    drafts = [
        posting_rules.authorized(BOOK, "t", 9),
        posting_rules.captured(BOOK, "t", 9, 1, HOLD),
        posting_rules.capture_reversed(BOOK, "t", 9, 1, "c"),
        posting_rules.refund_asked(BOOK, "t", 9),
        posting_rules.refunded(BOOK, "t", HOLD),
    ]
    touched = {posting.account_id for draft in drafts for posting in draft.postings}
    assert touched == set(BOOK.accounts())
