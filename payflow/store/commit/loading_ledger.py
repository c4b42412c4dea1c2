"""Loads what ledger commands refer to: accounts, references, transactions to resolve or to reverse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from payflow.domain.folding.submission import Command, Submission
from payflow.domain.folding.working_set import Book, MerchantScoped, WorkingSet
from payflow.domain.ledger.commands import (
    OpenAccount,
    PostHold,
    PostTransaction,
    PostTransactions,
    ReverseTransaction,
    VoidHold,
)
from payflow.store import ledger_rows
from payflow.store.database.statement import DictConnection, columns, unique
from payflow.store.ledger_rows import BALANCE_COLUMNS, ENTRY_COLUMNS, LATER_TRANSACTIONS, TRANSACTION_COLUMNS

ACCOUNTS = f"""
    SELECT account.merchant_id, account.id, account.type, account.currency, account.allow_negative,
           {BALANCE_COLUMNS}
    FROM unnest(%b::text[], %b::text[]) AS wanted (merchant_id, id)
    JOIN accounts AS account ON account.merchant_id = wanted.merchant_id AND account.id = wanted.id
    JOIN balances AS balance ON balance.merchant_id = wanted.merchant_id AND balance.account_id = wanted.id
"""

REFERENCES = """
    SELECT stored.merchant_id, stored.reference, stored.id
    FROM unnest(%b::text[], %b::text[]) AS wanted (merchant_id, reference)
    JOIN transactions AS stored USING (merchant_id, reference)
"""

TRANSACTIONS = f"""
    SELECT {TRANSACTION_COLUMNS}
    FROM unnest(%b::text[], %b::text[]) AS wanted (merchant_id, id)
    JOIN transactions AS transaction USING (merchant_id, id)
    {LATER_TRANSACTIONS}
"""

ENTRIES = f"""
    SELECT {ENTRY_COLUMNS}
    FROM unnest(%b::text[], %b::text[]) AS wanted (merchant_id, transaction_id)
    JOIN entries AS entry USING (merchant_id, transaction_id)
    JOIN accounts AS account ON account.merchant_id = entry.merchant_id AND account.id = entry.account_id
    ORDER BY entry.transaction_id, entry.position
"""


class LedgerLoading:
    """The statements of the first round trip, sent when made, read when asked for."""

    def __init__(self, connection: DictConnection, submissions: Sequence[Submission]) -> None:
        wanted = unique(
            (one.merchant_id, transaction_id)
            for one in _commands(submissions)
            if (transaction_id := _refers_to(one))
        )
        references = unique(
            (one.merchant_id, reference) for one in _commands(submissions) if (reference := _reference(one))
        )
        execute = connection.execute
        self._transactions = execute(TRANSACTIONS, columns(wanted)) if wanted else None
        self._entries = execute(ENTRIES, columns(wanted)) if wanted else None
        self._references = execute(REFERENCES, columns(references)) if references else None

    def add_to(self, working: WorkingSet) -> None:
        """Adds what was found."""
        entries = ledger_rows.by_transaction(self._entries or ())
        for row in self._transactions or ():
            scoped = (row["merchant_id"], row["id"])
            working.transactions[scoped] = ledger_rows.recorded_transaction(row, entries.get(scoped, ()))
        for row in self._references or ():
            working.references[row["merchant_id"], row["reference"]] = row["id"]


def accounts_of(submissions: Sequence[Submission], working: WorkingSet) -> Iterable[MerchantScoped]:
    """The accounts that ledger commands touch; those of referred transactions have to be loaded before."""
    for command in _commands(submissions):
        match command:
            case OpenAccount():
                yield command.merchant_id, command.account.id
            case PostTransaction():
                for posting in command.draft.postings:
                    yield command.merchant_id, posting.account_id
                for account_id in command.expected_versions:
                    yield command.merchant_id, account_id
            case PostHold() | VoidHold() | ReverseTransaction():
                found = working.transactions.get((command.merchant_id, _refers_to(command)))
                for entry in found.booked.entries if found else ():
                    yield command.merchant_id, entry.account_id


def add_accounts(working: WorkingSet, found: Iterable[dict[str, Any]]) -> None:
    """Adds rows of ACCOUNTS."""
    for row in found:
        book = working.books.setdefault(row["merchant_id"], Book())
        book.accounts[row["id"]] = ledger_rows.account(row)
        book.balances[row["id"]] = ledger_rows.balance(row)


def _commands(submissions: Sequence[Submission]) -> Iterable[Command]:
    """Commands one by one; a bulk's transactions in its place."""
    for submission in submissions:
        command = submission.command
        if isinstance(command, PostTransactions):
            yield from (item for item in command.items if isinstance(item, PostTransaction))
        else:
            yield command


def _refers_to(command: Command) -> str:
    if isinstance(command, PostHold | VoidHold):
        return command.hold_id
    return command.reversed_id if isinstance(command, ReverseTransaction) else ""


def _reference(command: Command) -> str:
    if isinstance(command, PostTransaction):
        return command.terms.reference
    return command.reference if isinstance(command, ReverseTransaction) else ""
