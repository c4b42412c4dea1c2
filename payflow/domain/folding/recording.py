"""What folding leaves to be written: events with their envelopes, and transactions as they were booked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payflow.domain.folding.submission import Event, Submission
from payflow.domain.folding.working_set import Book, Changes, RecordedEvent, WorkingSet
from payflow.domain.ledger.booking import book
from payflow.domain.ledger.transaction import NO_TERMS, BookedTransaction, DraftTransaction, Terms


@dataclass(frozen=True, slots=True)
class Happening:
    """An event at its place in its aggregate."""

    aggregate_id: str
    aggregate_version: int
    event: Event


def record(changes: Changes, submission: Submission, happenings: Sequence[Happening]) -> None:
    """Writes down everything that one submission made happen, in order."""
    origin = submission.origin
    changes.events.extend(
        RecordedEvent(
            submission.command.merchant_id,
            one.aggregate_id,
            one.aggregate_version,
            one.event,
            submission.now,
            origin.actor,
            origin.correlation_id,
            submission.command_id,
            seq,
            origin.traceparent,
        )
        for seq, one in enumerate(happenings)
    )


def book_into(
    working: WorkingSet,
    changes: Changes,
    merchant_id: str,
    draft: DraftTransaction,
    now: datetime,
    terms: Terms = NO_TERMS,
) -> BookedTransaction:
    """Books a draft in its merchant's book, opening system accounts; a refusal leaves no trace."""
    merchant_book = working.books.setdefault(merchant_id, Book())
    opened = merchant_book.missing(posting.account_id for posting in draft.postings)
    accounts = merchant_book.accounts | opened if opened else merchant_book.accounts
    booked = book(draft, accounts, merchant_book.balances, now)
    if opened:
        merchant_book.accounts.update(opened)
        changes.opened_accounts.extend((merchant_id, one, booked.recorded_at) for one in opened.values())
    changes.transactions.append((merchant_id, booked, terms))
    return booked
