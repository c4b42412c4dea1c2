"""Folds the commands of callers who keep books of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from payflow.domain.errors import PayFlowError, Reason, inside, invalid_field, not_found
from payflow.domain.folding.recording import Happening, book_into, record
from payflow.domain.folding.submission import Applied, Submission
from payflow.domain.folding.working_set import Book, Changes, WorkingSet
from payflow.domain.ledger import undoing
from payflow.domain.ledger.commands import (
    LedgerCommand,
    OpenAccount,
    PostHold,
    PostTransaction,
    PostTransactions,
    ReverseTransaction,
    VoidHold,
)
from payflow.domain.ledger.events import (
    AccountOpened,
    TransactionHeld,
    TransactionPosted,
    TransactionResolved,
    account_aggregate_id,
)
from payflow.domain.ledger.transaction import (
    NO_TERMS,
    BookedTransaction,
    DraftTransaction,
    RecordedTransaction,
    Terms,
    TransactionStatus,
)
from payflow.domain.resources import AccountView, BulkResult, Resource, TransactionView
from payflow.domain.texts import Texts


class LedgerFold:
    """One submission on its way; ``working`` and ``changes`` are those of the whole batch."""

    def __init__(self, working: WorkingSet, changes: Changes, submission: Submission) -> None:
        self._working = working
        self._changes = changes
        self._submission = submission
        self._merchant_id = submission.command.merchant_id
        self._happenings: list[Happening] = []

    def apply(self, command: LedgerCommand) -> Applied:
        """What the command made happen. Raises PayFlowError when it is refused."""
        resource = self._applied(command)
        record(self._changes, self._submission, self._happenings)
        return Applied(resource, tuple(one.event for one in self._happenings))

    def _applied(self, command: LedgerCommand) -> Resource:
        match command:
            case PostTransactions():
                return BulkResult(tuple(self._item(*item) for item in enumerate(command.items)))
            case PostTransaction():
                return self._post(command)
            case OpenAccount():
                return self._open(command)
            case PostHold():
                hold = self._known(command.hold_id)
                now = self._submission.now
                draft = undoing.posted_hold(hold, command.transaction_id, command.amount, now)
                return self._resolve(hold, draft, command.texts, expired=False)
            case VoidHold():
                hold = self._known(command.hold_id)
                if command.expired:
                    undoing.require_lapsed(hold, self._submission.now)
                draft = undoing.voided_hold(hold, command.transaction_id)
                return self._resolve(hold, draft, command.texts, command.expired)
            case ReverseTransaction():
                return self._reverse(command)

    def _item(self, index: int, item: PostTransaction | PayFlowError) -> TransactionView | PayFlowError:
        if isinstance(item, PayFlowError):
            return item
        try:
            return self._post(item)
        except PayFlowError as refusal:
            return inside(f"transactions[{index}]", refusal)

    def _open(self, command: OpenAccount) -> AccountView:
        account = command.account
        book = self._book()
        if account.id in book.accounts:
            raise PayFlowError(
                Reason.ACCOUNT_EXISTS, f"account {account.id!r} exists already", subject=account.id
            )
        now = self._submission.now
        book.accounts[account.id] = account
        self._changes.opened_accounts.append((self._merchant_id, account, now))
        owner = account_aggregate_id(account.id)
        self._keep_texts(owner, command.texts)
        event = AccountOpened(
            account.id, account.type, account.currency, account.allow_negative, command.texts.sha256()
        )
        self._happenings.append(Happening(owner, 1, event))
        return AccountView(self._merchant_id, account, command.texts, now)

    def _post(self, command: PostTransaction) -> TransactionView:
        expires_at = command.terms.expires_at
        if expires_at is not None and expires_at <= self._submission.now:
            raise invalid_field("expires_at", "must be in the future")
        self._require_new_reference(command.terms.reference)
        self._require_versions(command.expected_versions)
        return self._booked(command.draft, command.terms, command.texts)

    def _resolve(
        self, hold: RecordedTransaction, draft: DraftTransaction, texts: Texts, expired: bool
    ) -> TransactionView:
        view = self._undone(draft, NO_TERMS, texts)
        self._working.transactions[self._merchant_id, hold.booked.id] = undoing.resolved(hold, draft.id)
        self._happenings.append(Happening(hold.booked.id, 2, TransactionResolved(draft.id, expired)))
        return view

    def _reverse(self, command: ReverseTransaction) -> TransactionView:
        original = self._known(command.reversed_id)
        draft = undoing.reversal(original, command.transaction_id)
        self._require_new_reference(command.reference)
        view = self._undone(draft, Terms(command.reference), command.texts)
        scoped = (self._merchant_id, command.reversed_id)
        self._working.transactions[scoped] = replace(original, reversed_by=draft.id)
        return view

    def _undone(self, draft: DraftTransaction, terms: Terms, texts: Texts) -> TransactionView:
        try:
            return self._booked(draft, terms, texts)
        except PayFlowError as error:
            if not error.fields:
                raise
            # The entries are none of the request's: it only names the transaction.
            raise invalid_field("id", f"cannot be undone: {error.fields[0].description}") from None

    def _booked(self, draft: DraftTransaction, terms: Terms, texts: Texts) -> TransactionView:
        merchant_id = self._merchant_id
        now = self._submission.now
        booked = book_into(self._working, self._changes, merchant_id, draft, now, terms)
        recorded = RecordedTransaction(booked, terms)
        self._working.transactions[merchant_id, booked.id] = recorded
        if terms.reference:
            self._working.references[merchant_id, terms.reference] = booked.id
        self._keep_texts(booked.id, texts)
        self._happenings.append(Happening(booked.id, 1, _event(booked, terms, texts)))
        return TransactionView(merchant_id, recorded, texts)

    def _book(self) -> Book:
        return self._working.books.setdefault(self._merchant_id, Book())

    def _known(self, transaction_id: str) -> RecordedTransaction:
        found = self._working.transactions.get((self._merchant_id, transaction_id))
        if found is None:
            raise not_found("transaction", transaction_id)
        return found

    def _keep_texts(self, owner: str, texts: Texts) -> None:
        if texts:
            self._changes.texts[self._merchant_id, owner] = texts

    def _require_new_reference(self, reference: str) -> None:
        if not reference:
            return
        taken_by = self._working.references.get((self._merchant_id, reference))
        if taken_by is not None:
            raise PayFlowError(
                Reason.TRANSACTION_EXISTS,
                f"transaction {taken_by} has the reference {reference!r} already",
                metadata={"transaction_id": taken_by},
                subject=taken_by,
            )

    def _require_versions(self, expected: Mapping[str, int]) -> None:
        book = self._book() if expected else Book()
        for account_id, version in expected.items():
            if account_id not in book.accounts:
                raise not_found("account", account_id)
            balance = book.balances.get(account_id)
            actual = balance.version if balance else 0
            if actual != version:
                raise PayFlowError(
                    Reason.CONCURRENT_UPDATE,
                    f"account {account_id} is at version {actual}, not {version}",
                    metadata={"account_id": account_id, "version": str(actual)},
                    subject=account_id,
                )


def _event(booked: BookedTransaction, terms: Terms, texts: Texts) -> TransactionPosted | TransactionHeld:
    digest = texts.sha256() if texts else b""
    if booked.status is TransactionStatus.PENDING:
        return TransactionHeld(booked, terms.reference, terms.effective_at, digest, terms.expires_at)
    return TransactionPosted(booked, terms.reference, terms.effective_at, digest)
