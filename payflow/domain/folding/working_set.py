"""What a batch loaded, as its commands change it, and what has to be written at its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from payflow.domain.dead_letter import DeadLetterState, DeadLetterView, LetterKey
from payflow.domain.errors import not_found
from payflow.domain.folding.submission import Event
from payflow.domain.intent.state import IntentAggregate
from payflow.domain.ledger.account import Account, Balance
from payflow.domain.ledger.chart import SYSTEM_PREFIX, system_account
from payflow.domain.ledger.transaction import BookedTransaction, RecordedTransaction, Terms
from payflow.domain.merchant.state import Merchant
from payflow.domain.routing.experiment import Experiment
from payflow.domain.routing.state import Routing, RulesVersion
from payflow.domain.texts import Texts

MerchantScoped = tuple[str, str]


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An idempotency key as it stands: running under ``attempt_id``, or done with a response."""

    request_hash: bytes
    command_id: str
    attempt_id: str = ""
    response: bytes | None = None
    completed_at: datetime | None = None

    @property
    def done(self) -> bool:
        """Whether it has been answered."""
        return self.response is not None


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event with its envelope; ``causation_seq`` counts the events of one command from 0."""

    merchant_id: str
    aggregate_id: str
    aggregate_version: int
    data: Event
    occurred_at: datetime
    actor: str
    correlation_id: str
    causation_id: str
    causation_seq: int
    traceparent: str


@dataclass(slots=True)
class Book:
    """The accounts of one merchant that a batch touches."""

    accounts: dict[str, Account] = field(default_factory=dict)
    balances: dict[str, Balance] = field(default_factory=dict)

    def missing(self, account_ids: Iterable[str]) -> dict[str, Account]:
        """The system accounts among these that are still to be opened. Raises NOT_FOUND for another's."""
        missing = dict.fromkeys(one for one in account_ids if one not in self.accounts)
        for account_id in missing:
            if not account_id.startswith(SYSTEM_PREFIX):
                raise not_found("account", account_id)
        return {account_id: system_account(account_id) for account_id in missing}


@dataclass(slots=True)
class WorkingSet:
    """State by merchant and id, ``references`` to the transactions that carry them.

    ``committed`` are commands that an earlier try is known to have committed. ``dead_letter_versions`` count
    what was done about each merchant's dead letters.
    """

    merchants: dict[str, Merchant] = field(default_factory=dict)
    slot_owners: dict[int, str] = field(default_factory=dict)
    intents: dict[MerchantScoped, IntentAggregate] = field(default_factory=dict)
    keys: dict[MerchantScoped, KeyRecord] = field(default_factory=dict)
    books: dict[str, Book] = field(default_factory=dict)
    transactions: dict[MerchantScoped, RecordedTransaction] = field(default_factory=dict)
    references: dict[MerchantScoped, str] = field(default_factory=dict)
    routings: dict[str, Routing] = field(default_factory=dict)
    committed: frozenset[str] = frozenset()
    dead_letters: dict[LetterKey, DeadLetterView] = field(default_factory=dict)
    dead_letter_versions: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Changes:
    """What a batch writes, in the order in which it happened."""

    events: list[RecordedEvent] = field(default_factory=list)
    texts: dict[MerchantScoped, Texts] = field(default_factory=dict)
    opened_accounts: list[tuple[str, Account, datetime]] = field(default_factory=list)
    transactions: list[tuple[str, BookedTransaction, Terms]] = field(default_factory=list)
    keys: dict[MerchantScoped, KeyRecord | None] = field(default_factory=dict)
    merchants: set[str] = field(default_factory=set)
    intents: set[MerchantScoped] = field(default_factory=set)
    routing_rules: list[RulesVersion] = field(default_factory=list)
    experiments: dict[MerchantScoped, Experiment] = field(default_factory=dict)
    dead_letters: dict[LetterKey, DeadLetterState] = field(default_factory=dict)
