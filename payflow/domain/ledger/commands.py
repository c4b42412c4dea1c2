"""What can be asked of a merchant's book."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from payflow.domain.errors import PayFlowError
from payflow.domain.ledger.account import Account
from payflow.domain.ledger.transaction import NO_TERMS, DraftTransaction, Terms
from payflow.domain.texts import Texts


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """Opens an account; ``texts`` are its name and metadata."""

    merchant_id: str
    account: Account
    texts: Texts = field(default_factory=Texts)


@dataclass(frozen=True, slots=True)
class PostTransaction:
    """Posts a draft, or places it as a hold, while every account is at its expected version."""

    merchant_id: str
    draft: DraftTransaction
    terms: Terms = NO_TERMS
    texts: Texts = field(default_factory=Texts)
    expected_versions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PostTransactions:
    """Posts many, each by itself; what was refused at sight stands in its place."""

    merchant_id: str
    items: tuple[PostTransaction | PayFlowError, ...]


@dataclass(frozen=True, slots=True)
class PostHold:
    """Posts a hold as ``transaction_id``: ``amount`` minor units of it, or all."""

    merchant_id: str
    hold_id: str
    transaction_id: str
    amount: int | None = None
    texts: Texts = field(default_factory=Texts)


@dataclass(frozen=True, slots=True)
class VoidHold:
    """Takes a hold back as ``transaction_id``; with ``expired`` only one that has lapsed."""

    merchant_id: str
    hold_id: str
    transaction_id: str
    texts: Texts = field(default_factory=Texts)
    expired: bool = False


@dataclass(frozen=True, slots=True)
class ReverseTransaction:
    """Posts the opposite of a transaction as ``transaction_id``."""

    merchant_id: str
    reversed_id: str
    transaction_id: str
    reference: str = ""
    texts: Texts = field(default_factory=Texts)


LedgerCommand = OpenAccount | PostTransaction | PostTransactions | PostHold | VoidHold | ReverseTransaction
