"""Double-entry transactions before and after they are booked. Debits are positive, credits negative."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Layer(StrEnum):
    """Which of an account's running sums an entry belongs to."""

    POSTED = "POSTED"
    PENDING = "PENDING"


class TransactionStatus(StrEnum):
    """POSTED is in the books; PENDING is an open hold; RESOLVED a hold that was posted or voided."""

    POSTED = "POSTED"
    PENDING = "PENDING"
    RESOLVED = "RESOLVED"


@dataclass(frozen=True, slots=True)
class Posting:
    """One line to be booked, in minor units. ``releases`` marks a PENDING line that takes a hold back."""

    account_id: str
    amount: int
    currency: str
    layer: Layer = Layer.POSTED
    releases: bool = False


@dataclass(frozen=True, slots=True)
class DraftTransaction:
    """Lines that belong together, not yet booked."""

    id: str
    postings: tuple[Posting, ...]
    resolves_transaction_id: str = ""
    reverses_transaction_id: str = ""


@dataclass(frozen=True, slots=True)
class BookedEntry:
    """A line as the ledger recorded it, with the account's running sums behind it."""

    account_id: str
    layer: Layer
    amount: int
    currency: str
    releases: bool
    account_version: int
    posted_after: int
    pending_debits_after: int
    pending_credits_after: int
    debit_normal: bool

    @property
    def balance_after(self) -> int:
        """The running sum of the entry's own layer, debits positive."""
        if self.layer is Layer.POSTED:
            return self.posted_after
        return self.pending_debits_after - self.pending_credits_after

    @property
    def available_after(self) -> int:
        """Posted less pending outflows, in the account's normal direction."""
        if self.debit_normal:
            return self.posted_after - self.pending_credits_after
        return -self.posted_after - self.pending_debits_after


@dataclass(frozen=True, slots=True)
class BookedTransaction:
    """A transaction as the ledger recorded it."""

    id: str
    status: TransactionStatus
    entries: tuple[BookedEntry, ...]
    resolves_transaction_id: str
    reverses_transaction_id: str
    recorded_at: datetime


Transaction = DraftTransaction | BookedTransaction


@dataclass(frozen=True, slots=True)
class Terms:
    """What a caller says about a transaction besides its lines; ``expires_at`` is for holds."""

    reference: str = ""
    effective_at: datetime | None = None
    expires_at: datetime | None = None


NO_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class RecordedTransaction:
    """A transaction as it stands, with the later ones that resolved or reversed it."""

    booked: BookedTransaction
    terms: Terms = NO_TERMS
    resolved_by: str = ""
    reversed_by: str = ""
