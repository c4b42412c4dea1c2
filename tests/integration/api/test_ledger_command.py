"""`payflow ledger` against a running server."""

from __future__ import annotations

import pytest

from server.cli.ledger import reads as ledger_reads
from tests.http_payments import HttpCaller
from tests.ledger_caller import LedgerCaller
from tests.ledger_command import LedgerCommand

WHOLE_BOOK = """\
ACCOUNT     CURRENCY     POSTED  PENDING DEBITS  PENDING CREDITS  AVAILABLE  VERSION
cash        USD        1,234.56            0.00            10.00   1,224.56        2
euros       EUR            0.00            0.00             0.00       0.00        0
euros_owed  EUR            0.00            0.00             0.00       0.00        0
owed        USD            0.00            0.00             0.00       0.00        0
sales       USD            0.00            0.00             0.00       0.00        0
till        USD            0.00            0.00             0.00       0.00        0
wallet      USD       -1,234.56           10.00             0.00   1,224.56        2

CURRENCY    DEBITS   CREDITS  DIFFERENCE
EUR           0.00      0.00        0.00
USD       1,234.56  1,234.56        0.00
"""
NAMED = """\
ACCOUNT  CURRENCY     POSTED  PENDING DEBITS  PENDING CREDITS  AVAILABLE  VERSION
wallet   USD       -1,234.56           10.00             0.00   1,224.56        2
cash     USD        1,234.56            0.00            10.00   1,224.56        2
"""


@pytest.fixture
def ledger(address: str, books: LedgerCaller) -> LedgerCommand:
    """Speaks for the merchant of ``books``."""
    return LedgerCommand(address, books.merchant_id)


@pytest.fixture
def moved(books: LedgerCaller) -> LedgerCaller:
    """A book in which 1,234.56 was posted and 10.00 of it is held."""
    books.post(("cash", 123_456), ("wallet", -123_456))
    books.hold(("wallet", 1_000), ("cash", -1_000))
    return books


def test_the_whole_book_is_shown_with_its_totals(ledger: LedgerCommand, moved: LedgerCaller) -> None:
    assert ledger.printed("balances") == WHOLE_BOOK


def test_named_accounts_are_shown_in_their_order(ledger: LedgerCommand, moved: LedgerCaller) -> None:
    assert ledger.printed("balances", "wallet", "cash") == NAMED
    assert ledger.refused("balances", "wallet", "nobody") == "NOT_FOUND: no account with id 'nobody'"


def test_a_book_of_several_pages_is_shown_whole(
    ledger: LedgerCommand, moved: LedgerCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = ledger.json("balances")
    monkeypatch.setattr(ledger_reads, "BALANCES_PAGE", 2)

    assert ledger.printed("balances") == WHOLE_BOOK
    assert ledger.json("balances") == at_once


def test_json_is_what_the_http_api_answers(
    ledger: LedgerCommand, moved: LedgerCaller, http: HttpCaller
) -> None:
    scope = f"merchant_id={ledger.merchant_id}"

    assert ledger.json("balances") == http.get(f"/v1/ledger/trial_balance?{scope}").json
    named = http.post(
        "/v1/ledger/balances:batchGet", {"merchant_id": ledger.merchant_id, "account_ids": ["cash"]}
    )
    assert ledger.json("balances", "cash") == named.json
    statement = http.get(f"/v1/ledger/accounts/wallet/statement?{scope}").json
    assert ledger.json("statement", "wallet") == statement
    posted = ledger.json("post", "--debit", "till=1.00USD", "--credit", "sales=1.00USD")
    assert posted == http.get(f"/v1/ledger/transactions/{posted['id']}").json
    opened = ledger.json("open", "a:b/c", "--type", "equity", "--currency", "JPY", "--metadata", "k=v=w")
    assert opened == http.get(f"/v1/ledger/accounts/a:b%2Fc?{scope}").json
    assert (opened["type"], opened["allow_negative"], opened["metadata"]) == ("equity", False, {"k": "v=w"})


def test_balances_as_of_an_instant(ledger: LedgerCommand, books: LedgerCaller) -> None:
    first = books.post(("cash", 100), ("owed", -100))
    books.post(("cash", 23), ("owed", -23))
    instant = first.created_at.ToJsonString()

    then = ledger.json("balances", "cash", "--as-of", instant)["balances"]
    assert [(one["posted"], one["version"]) for one in then] == [(100, 1)]
    totals = ledger.json("balances", "--as-of", instant)["totals"]
    assert {"currency": "USD", "debits": 100, "credits": 100, "difference": 0} in totals
    assert ledger.json("balances", "cash")["balances"][0]["posted"] == 123


def test_a_statement_reads_from_opening_to_closing(ledger: LedgerCommand, moved: LedgerCaller) -> None:
    lines = ledger.printed("statement", "wallet").splitlines()

    assert lines[:3] == ["account   wallet", "type      liability", "currency  USD"]
    assert lines[4].split("  ")[0] == "RECORDED AT"
    assert [line.split()[-3:] for line in lines[5:]] == [
        ["0.00", "0.00", "0"],
        ["-1,234.56", "1,234.56", "1"],
        ["-1,234.56", "1,224.56", "2"],
        ["-1,234.56", "1,224.56", "2"],
    ]
    assert [line.split()[0] for line in (lines[5], lines[-1])] == ["opening", "closing"]
    assert [line.split()[2:4] for line in lines[6:8]] == [["posted", "-1,234.56"], ["pending", "10.00"]]


def test_a_statement_of_a_period(ledger: LedgerCommand, books: LedgerCaller) -> None:
    instants = [books.post(("cash", 100), ("owed", -100)).created_at.ToJsonString() for _ in range(3)]

    found = ledger.json("statement", "cash", "--from", instants[1], "--to", instants[2])

    assert [entry["account_version"] for entry in found["entries"]] == [2]
    assert (found["opening"]["posted"], found["closing"]["posted"]) == (100, 200)


def test_a_long_statement_is_read_page_by_page_up_to_its_limit(
    ledger: LedgerCommand, books: LedgerCaller
) -> None:
    books.bulk(*(books.posting(("cash", 1), ("owed", -1)) for _ in range(520)))

    result = ledger.run("statement", "cash", "--limit", "510")
    assert result.stdout.splitlines()[-2].split()[-1] == "510"
    assert result.stdout.splitlines()[-1].split()[-1] == "520"
    assert result.stderr == "there are more than 510; see --limit\n"
    whole = ledger.run("statement", "cash", "--limit", "1000")
    assert whole.stdout.splitlines()[-2].split()[-1] == "520"
    assert whole.stderr == ""


def test_what_is_posted_is_what_was_typed(ledger: LedgerCommand, books: LedgerCaller) -> None:
    ledger.printed("open", "wallet:juergen", "--type", "liability", "--currency", "KWD")
    ledger.printed("open", "cash:KWD", "--type", "asset", "--currency", "KWD", "--allow-negative")
    printed = ledger.printed(
        "post",
        *("--debit", "cash=25.00USD", "--debit", "cash:KWD=1.005KWD"),
        *("--credit", "owed=20USD", "--credit", "sales=5.00 USD", "--credit", "wallet:juergen=1.005KWD"),
        *("--description", "Two\ncurrencies", "--reference", "r-1", "--metadata", "rate=0.3"),
        *("--effective-at", "2026-01-31"),
    )
    found = books.transaction(printed.split()[1])

    assert [(entry.account_id, entry.amount, entry.currency) for entry in found.entries] == [
        ("cash", 2_500, "USD"),
        ("cash:KWD", 1_005, "KWD"),
        ("owed", -2_000, "USD"),
        ("sales", -500, "USD"),
        ("wallet:juergen", -1_005, "KWD"),
    ]
    assert (found.description, found.reference, dict(found.metadata)) == (
        "Two\ncurrencies",
        "r-1",
        {"rate": "0.3"},
    )
    assert found.effective_at.ToJsonString() == "2026-01-31T00:00:00Z"
    assert "description   Two currencies\n" in printed
    assert "effective at  2026-01-31T00:00:00.000000Z\n" in printed


def test_a_hold_says_when_it_lapses(ledger: LedgerCommand, books: LedgerCaller) -> None:
    expiry = ("--expires-at", "2099-01-01T01:00:00+01:00")
    held = ledger.json("post", "--debit", "cash=1.00USD", "--credit", "owed=1.00USD", "--pending", *expiry)

    assert (held["status"], held["expires_at"]) == ("pending", "2099-01-01T00:00:00Z")
    assert books.sums("owed") == (0, 0, 100, 0, 1)


def test_a_posting_is_refused_when_an_account_has_moved(ledger: LedgerCommand, books: LedgerCaller) -> None:
    lines = ("--debit", "cash=1.00USD", "--credit", "owed=1.00USD")
    ledger.printed("post", *lines, "--expect", "cash=0", "--expect", "sales=0")

    assert ledger.refused("post", *lines, "--expect", "cash=0") == (
        "CONCURRENT_UPDATE: account cash is at version 1, not 0"
    )
    assert books.sums("cash")[-1] == 1


def test_a_key_is_made_and_told_so_that_a_retry_can_use_it(
    ledger: LedgerCommand, books: LedgerCaller
) -> None:
    lines = ("--debit", "cash=1.00USD", "--credit", "owed=1.00USD")
    first = ledger.run("post", *lines)
    key = first.stderr.removeprefix("idempotency key: ").rstrip()
    again = ledger.run("post", *lines, "--idempotency-key", key)

    assert (again.stdout, again.stderr) == (first.stdout, "")
    assert books.sums("cash") == (100, 0, 0, 100, 1)
    assert ledger.run("post", *lines).stderr != first.stderr
    assert ledger.refused("post", "--debit", "till=1.00USD", *lines[2:], "--idempotency-key", key).startswith(
        "IDEMPOTENCY_KEY_REUSED: "
    )


def test_a_reversal_is_linked_and_happens_once(ledger: LedgerCommand, books: LedgerCaller) -> None:
    posted = books.post(("cash", 250), ("owed", -250))
    printed = ledger.printed(
        "reverse", posted.id, "--description", "Wrong", "--reference", "back-1", merchant=False
    )
    reversal = books.transaction(printed.split()[1])

    assert f"reverses     {posted.id}\n" in printed
    assert (reversal.reverses_transaction_id, reversal.description, reversal.reference) == (
        posted.id,
        "Wrong",
        "back-1",
    )
    assert [entry.amount for entry in reversal.entries] == [-250, 250]
    assert ledger.refused("reverse", posted.id) == (
        f"INVALID_STATE_TRANSITION: transaction {posted.id}: it was reversed by {reversal.id}"
    )


def test_an_account_is_opened_once(ledger: LedgerCommand, books: LedgerCaller) -> None:
    terms = ("--type", "liability", "--currency", "JPY", "--name", "Alice")

    assert ledger.printed("open", "wallet:alice", *terms) == (
        "ID            TYPE       CURRENCY  ALLOW_NEGATIVE  NAME\n"
        "wallet:alice  liability  JPY       no              Alice\n"
    )
    assert ledger.refused("open", "wallet:alice", *terms) == (
        "ACCOUNT_EXISTS: account 'wallet:alice' exists already"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["post", "--debit", "cash=1.0USD"], "'1.0USD' has 1 decimals; USD has 2"),
        (["post", "--debit", "cash:1.00USD"], "is not ACCOUNT=AMOUNT, such as wallet:alice=25.00USD"),
        (["post", "--credit", "cash=-1.00USD"], "is not an amount and a currency, such as 25.00USD"),
        (["post", "--credit", "cash=1.00EURO"], "is not an amount and a currency, such as 25.00USD"),
        (["post", "--credit", "cash=1.00ABC"], "must be an upper-case ISO 4217 code, such as USD"),
        (["post", "--expect", "cash=-1"], "is not ACCOUNT=VERSION, such as wallet:alice=3"),
        (["post", "--expect", "cash=9223372036854775808"], "is more than 9223372036854775807"),
        (["post", "--metadata", "order"], "is not KEY=VALUE, such as order=1234"),
        (["post", "--expires-at", "tomorrow"], "is not a time, such as 2026-01-31 or 2026-01-31T12:00:00Z"),
        (["balances", "--as-of", "2026-02-30"], "is not a time, such as"),
        (["balances", *["cash"] * 1_001], "at most 1000 accounts can be named"),
        (["statement", "cash", "--limit", "0"], "0 is not in the range"),
        (["open", "cash", "--type", "bank", "--currency", "USD"], "'bank' is not one of 'asset'"),
    ],
)
def test_what_cannot_be_meant_is_never_sent(arguments: list[str], said: str) -> None:
    ledger = LedgerCommand("127.0.0.1:1", "merchant_test")

    assert said in " ".join(ledger.misused(*arguments).split())
