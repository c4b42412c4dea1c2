"""What the use cases need from outside; the processes' composition roots plug it in."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from payflow.commands.dead_letter_ports import DeadLetters
from payflow.commands.webhook_ports import Inbox, WebhookEndpoints
from payflow.domain.clock import Clock
from payflow.domain.endpoint import Endpoint
from payflow.domain.folding.submission import IdempotencyClaim, Result, Submission
from payflow.domain.intent.state import Attempt
from payflow.domain.intent.status import IntentStatus
from payflow.domain.ledger.statements import (
    AccountBalance,
    AccountFilter,
    AccountStatement,
    EntryFilter,
    Period,
    RecordedEntry,
    TransactionFilter,
    TrialBalance,
    Versions,
)
from payflow.domain.merchant.commands import DefaultAccount
from payflow.domain.merchant.state import Merchant, PspAccount
from payflow.domain.psp_outcome import Gated, OperationType, Outcome
from payflow.domain.resources import AccountView, OpenAttempt, PaymentIntentView, RefundView, TransactionView
from payflow.domain.routing.decision import RoutingDecision
from payflow.domain.routing.experiment import Experiment
from payflow.domain.routing.request import RoutingRequest
from payflow.domain.routing.results import Tally
from payflow.domain.routing.state import Routing, RulesVersion
from payflow.domain.stored_event import StoredEvent
from payflow.psp.connector import Connector


class Pipeline(Protocol):
    """Commits commands. Deadlines are in seconds of time.monotonic; None waits for as long as it takes."""

    def commit(self, submission: Submission, deadline: float | None, *, always: bool = False) -> Result:
        """Waits until the command is committed or refused."""
        ...


class Payments(Protocol):
    """Reads payments. ``before`` is an id; empty starts at the newest."""

    def payment_intent(self, merchant_id: str, intent_id: str, deadline: float) -> PaymentIntentView | None:
        """One intent, or None."""
        ...

    def payment_intents(
        self, merchant_id: str, status: IntentStatus | None, before: str, limit: int, deadline: float
    ) -> list[PaymentIntentView]:
        """Intents, newest first."""
        ...

    def events(
        self, merchant_id: str, aggregate_id: str, after_version: int, limit: int, deadline: float
    ) -> list[StoredEvent]:
        """Events of one aggregate, oldest first."""
        ...

    def refund(self, merchant_id: str, refund_id: str, deadline: float) -> RefundView | None:
        """One refund, or None."""
        ...

    def refunds(
        self, merchant_id: str, intent_id: str, before: str, limit: int, deadline: float
    ) -> list[RefundView]:
        """Refunds of a merchant, or of one intent when it is given, newest first."""
        ...


class Attempts(Protocol):
    """Reads PSP attempts."""

    def of_intent(self, merchant_id: str, intent_id: str, deadline: float) -> list[Attempt]:
        """Every attempt of an intent, oldest first."""
        ...

    def open(
        self, merchant_id: str, until: datetime, after: tuple[datetime, str], limit: int, deadline: float
    ) -> list[OpenAttempt]:
        """Attempts without an outcome that were started by ``until``, oldest first, behind (start, id).

        An empty ``merchant_id`` means every merchant.
        """
        ...


class Ledger(Protocol):
    """Reads the books."""

    def account(self, merchant_id: str, account_id: str, deadline: float) -> AccountView | None:
        """One account, or None."""
        ...

    def accounts(
        self, merchant_id: str, wanted: AccountFilter, after: str, limit: int, deadline: float
    ) -> list[AccountView]:
        """Accounts that match, by id, behind the one with id ``after``."""
        ...

    def transaction(self, merchant_id: str, transaction_id: str, deadline: float) -> TransactionView | None:
        """One transaction, or None."""
        ...

    def transactions(
        self, merchant_id: str, wanted: TransactionFilter, before: str, limit: int, deadline: float
    ) -> list[TransactionView]:
        """Transactions that match, newest first, older than ``before``; empty starts at the newest."""
        ...

    def entries(
        self, merchant_id: str, wanted: EntryFilter, beyond: int, rising: bool, limit: int, deadline: float
    ) -> list[RecordedEntry] | None:
        """Entries beyond an account version, or beyond a position where a transaction is given.

        None where there is no such account or transaction.
        """
        ...

    def balance(
        self, merchant_id: str, account_id: str, as_of: datetime | None, deadline: float
    ) -> AccountBalance | None:
        """An account's balance, as of a recorded instant where one is given."""
        ...

    def balances(
        self, merchant_id: str, account_ids: Sequence[str], as_of: datetime | None, deadline: float
    ) -> list[AccountBalance]:
        """The accounts' balances in their order, without those that are not there."""
        ...

    def trial_balance(
        self, merchant_id: str, as_of: datetime | None, after: str, limit: int, deadline: float
    ) -> TrialBalance:
        """Balances by id, behind the account ``after``, and the totals of all. Raises LIMIT_REACHED."""
        ...

    def statement(
        self,
        merchant_id: str,
        account_id: str,
        period: Period,
        versions: Versions | None,
        after: int,
        limit: int,
        deadline: float,
    ) -> AccountStatement | None:
        """The period's entries above version ``after``; None without such an account.

        ``versions`` are those that an earlier page found the period to be.
        """
        ...


class Directory(Protocol):
    """Finds merchants."""

    def merchant_id_of(self, slot: int, deadline: float) -> str | None:
        """Whose slot it is."""
        ...

    def find(self, merchant_id: str, deadline: float) -> Merchant | None:
        """The merchant, a moment old at most."""
        ...

    def read(self, merchant_id: str, deadline: float) -> Merchant | None:
        """The merchant as of now."""
        ...

    def page(self, after: str, limit: int, deadline: float) -> list[Merchant]:
        """Merchants by id, without their PSP accounts."""
        ...

    def learn(self, merchant: Merchant) -> None:
        """Takes note of a merchant that was just committed."""
        ...

    def forget(self, merchant_id: str) -> None:
        """Drops what is remembered of a merchant that was just changed."""
        ...


class Routings(Protocol):
    """Finds merchants' rules and running experiments."""

    def find(self, merchant_id: str, deadline: float) -> Routing:
        """What holds for the merchant, a moment old at most."""
        ...

    def forget(self, merchant_id: str) -> None:
        """Drops what is remembered of a merchant whose routing was just changed."""
        ...


class RoutingReads(Protocol):
    """Reads rules, experiments and decisions."""

    def rules(self, merchant_id: str, version: int, deadline: float) -> RulesVersion | None:
        """The rules of a version, or None."""
        ...

    def rule_versions(self, merchant_id: str, before: int, limit: int, deadline: float) -> list[RulesVersion]:
        """Versions older than ``before``, newest first."""
        ...

    def experiment(self, merchant_id: str, experiment_id: str, deadline: float) -> Experiment | None:
        """One experiment, or None."""
        ...

    def experiments(self, merchant_id: str, before: str, limit: int, deadline: float) -> list[Experiment]:
        """Experiments, newest first; ``before`` is an id, and empty starts at the newest."""
        ...

    def running_experiments(self, after: str, limit: int, deadline: float) -> list[Experiment]:
        """Those that run now, one a merchant and by merchant; ``after`` is one's id, empty starts anew."""
        ...

    def tallies(self, merchant_id: str, experiment_id: str, deadline: float) -> Mapping[str, Sequence[Tally]]:
        """An experiment's payments so far, by arm."""
        ...

    def decision(
        self, merchant_id: str, intent_id: str, deadline: float
    ) -> tuple[RoutingDecision, datetime] | None:
        """The last decision about a payment and when it was made, or None."""
        ...


class Slots(Protocol):
    """Places to wait for a PSP in."""

    def hold(self, endpoint: Endpoint) -> AbstractContextManager[None]:
        """Holds a place. Raises OVERLOADED when there is none."""
        ...


class Gate(Protocol):
    """Keeps calls from PSPs that fail, and within what they take."""

    def admits(self, endpoint: Endpoint, operation: OperationType) -> bool:
        """Whether a call would be let in now, as far as this process knows."""
        ...

    def enter(self, endpoint: Endpoint, operation: Gated) -> str:
        """Lets a call in (""), or answers the code of the decline that stands for it."""
        ...

    def leave(self, endpoint: Endpoint, operation: Gated, answer: Outcome | None) -> None:
        """What a call that was let in came to; None is a PSP's answer that it knows of nothing."""
        ...

    def answered(self, endpoint: Endpoint) -> None:
        """The PSP answered a question that was asked past the gate: calls may try it again."""
        ...


Route = Callable[[Merchant, RoutingRequest, float], RoutingDecision]
Learn = Callable[[PspAccount, Outcome, float], None]
CachedResponse = Callable[[str, IdempotencyClaim, datetime], bytes | None]
StoredResponse = Callable[[str, IdempotencyClaim, datetime, float], bytes | None]


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a use case may reach.

    ``entropy`` gives that many random bytes. ``cached_response`` and ``stored_response`` find the answer
    to a merchant's claim, from memory and from the database; None leaves it to the pipeline.
    ``route`` decides where a new authorization goes, before a deadline. ``learn`` takes note of how an
    authorization went and how long it took, in seconds. ``jitter`` spreads repeats, which ``sleep`` waits
    for. ``creates_merchants`` makes unknown merchants on first use, in test mode; ``default_accounts`` are
    those of a new merchant in test mode.
    """

    clock: Clock
    entropy: Callable[[int], bytes]
    pipeline: Pipeline
    payments: Payments
    attempts: Attempts
    ledger: Ledger
    directory: Directory
    cached_response: CachedResponse
    stored_response: StoredResponse
    slots: Slots
    gate: Gate
    connectors: Mapping[str, Connector]
    routings: Routings
    routing: RoutingReads
    route: Route
    learn: Learn
    jitter: random.Random
    sleep: Callable[[float], None]
    creates_merchants: bool
    webhook_endpoints: WebhookEndpoints
    inbox: Inbox
    dead_letters: DeadLetters
    default_accounts: tuple[DefaultAccount, ...]
