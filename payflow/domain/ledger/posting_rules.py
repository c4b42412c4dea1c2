"""What each step of a payment posts: the accounting table of docs/DESIGN.md, line by line."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.domain.ledger.chart import Role
from payflow.domain.ledger.transaction import DraftTransaction, Layer, Posting


@dataclass(frozen=True, slots=True)
class Book:
    """The corner of a merchant's book that one PSP account and currency posts into."""

    psp_account_id: str
    currency: str

    def line(self, role: Role, amount: int, layer: Layer = Layer.POSTED, releases: bool = False) -> Posting:
        """One line on the account of ``role``."""
        account_id = role.account_id(self.psp_account_id, self.currency)
        return Posting(account_id, amount, self.currency, layer, releases)

    def accounts(self) -> tuple[str, ...]:
        """Every account that a payment can touch."""
        roles = (Role.PSP_CLEARING, Role.MERCHANT_PAYABLE, Role.PLATFORM_FEES)
        return tuple(role.account_id(self.psp_account_id, self.currency) for role in roles)


@dataclass(frozen=True, slots=True)
class Hold:
    """An open hold: its transaction and amount."""

    transaction_id: str
    amount: int


def authorized(book: Book, transaction_id: str, amount: int) -> DraftTransaction:
    """Holds the payment: what the PSP will owe, and what the merchant will be owed."""
    return DraftTransaction(transaction_id, _pending(book, amount, Role.PSP_CLEARING, Role.MERCHANT_PAYABLE))


def captured(book: Book, transaction_id: str, amount: int, fee: int, hold: Hold | None) -> DraftTransaction:
    """Posts the capture less the fee and releases the whole hold, when there was one (a sale has none)."""
    posted = (
        book.line(Role.PSP_CLEARING, amount),
        book.line(Role.MERCHANT_PAYABLE, -(amount - fee)),
        book.line(Role.PLATFORM_FEES, -fee),
    )
    release = _release(book, hold, Role.PSP_CLEARING, Role.MERCHANT_PAYABLE) if hold else ()
    lines = tuple(line for line in posted if line.amount) + release
    return DraftTransaction(
        transaction_id, lines, resolves_transaction_id=hold.transaction_id if hold else ""
    )


def authorization_voided(book: Book, transaction_id: str, hold: Hold) -> DraftTransaction:
    """Releases the hold of an authorization that was canceled, expired or failed."""
    lines = _release(book, hold, Role.PSP_CLEARING, Role.MERCHANT_PAYABLE)
    return DraftTransaction(transaction_id, lines, resolves_transaction_id=hold.transaction_id)


def capture_reversed(
    book: Book, transaction_id: str, amount: int, fee: int, reverses: str
) -> DraftTransaction:
    """The exact opposite of a capture, fee included."""
    lines = (
        book.line(Role.PSP_CLEARING, -amount),
        book.line(Role.MERCHANT_PAYABLE, amount - fee),
        book.line(Role.PLATFORM_FEES, fee),
    )
    kept = tuple(line for line in lines if line.amount)
    return DraftTransaction(transaction_id, kept, reverses_transaction_id=reverses)


def refund_asked(book: Book, transaction_id: str, amount: int) -> DraftTransaction:
    """Holds the refund while the PSP works on it."""
    return DraftTransaction(transaction_id, _pending(book, amount, Role.MERCHANT_PAYABLE, Role.PSP_CLEARING))


def refunded(book: Book, transaction_id: str, hold: Hold) -> DraftTransaction:
    """Posts the refund; the fee is not given back."""
    posted = (book.line(Role.MERCHANT_PAYABLE, hold.amount), book.line(Role.PSP_CLEARING, -hold.amount))
    release = _release(book, hold, Role.MERCHANT_PAYABLE, Role.PSP_CLEARING)
    return DraftTransaction(transaction_id, posted + release, resolves_transaction_id=hold.transaction_id)


def refund_voided(book: Book, transaction_id: str, hold: Hold) -> DraftTransaction:
    """Releases the hold of a refund that did not happen."""
    lines = _release(book, hold, Role.MERCHANT_PAYABLE, Role.PSP_CLEARING)
    return DraftTransaction(transaction_id, lines, resolves_transaction_id=hold.transaction_id)


def refund_reversed(book: Book, transaction_id: str, amount: int, reverses: str) -> DraftTransaction:
    """The exact opposite of a refund that failed after it had succeeded."""
    lines = (book.line(Role.MERCHANT_PAYABLE, -amount), book.line(Role.PSP_CLEARING, amount))
    return DraftTransaction(transaction_id, lines, reverses_transaction_id=reverses)


def _pending(book: Book, amount: int, debit: Role, credit: Role) -> tuple[Posting, ...]:
    return (book.line(debit, amount, Layer.PENDING), book.line(credit, -amount, Layer.PENDING))


def _release(book: Book, hold: Hold, debit: Role, credit: Role) -> tuple[Posting, ...]:
    return (
        book.line(debit, -hold.amount, Layer.PENDING, releases=True),
        book.line(credit, hold.amount, Layer.PENDING, releases=True),
    )
