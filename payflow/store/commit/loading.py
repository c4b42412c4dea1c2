"""Loads what a batch touches: a fixed number of statements in two round trips, whatever its size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from payflow.domain.folding.submission import OtherCommand, Submission
from payflow.domain.folding.working_set import KeyRecord, MerchantScoped, WorkingSet
from payflow.domain.ids import slot_candidates
from payflow.domain.intent.commands import (
    ApplyNotice,
    CreateIntent,
    RecordOutcome,
    ReverseCapture,
    ReverseRefund,
    StartRefund,
)
from payflow.domain.intent.state import Attempt, IntentAggregate, PaymentIntent, Refund
from payflow.domain.ledger.posting_rules import Book
from payflow.domain.merchant.commands import CreateMerchant
from payflow.store import rows
from payflow.store.commit.loading_dead_letters import DeadLetterLoading
from payflow.store.commit.loading_ledger import ACCOUNTS, LedgerLoading, accounts_of, add_accounts
from payflow.store.commit.loading_routing import RoutingLoading
from payflow.store.commit.loading_webhook_endpoints import WebhookEndpointsLoading
from payflow.store.database import pipelining
from payflow.store.database.columns import MERCHANT, PSP_ACCOUNT, columns_of
from payflow.store.database.statement import DictConnection, columns, unique

# Every join starts from the wanted keys and looks each up by a primary key or a named index.
KEYS = """
    SELECT stored.merchant_id, stored.key, stored.request_hash, stored.command_id, stored.attempt_id,
           stored.response, stored.completed_at, stored.expires_at
    FROM unnest(%s::text[], %s::text[]) AS wanted (merchant_id, key)
    JOIN idempotency_keys AS stored USING (merchant_id, key)
"""

MERCHANTS = f"SELECT {MERCHANT} FROM merchants WHERE merchant_id = ANY (%s)"

SLOT_OWNERS = "SELECT slot, merchant_id FROM merchants WHERE slot = ANY (%s)"

PSP_ACCOUNTS = f"SELECT {PSP_ACCOUNT} FROM psp_accounts WHERE merchant_id = ANY (%s)"

INTENTS = f"""
    SELECT {columns_of(PaymentIntent, "intent")}, texts.body, texts.metadata
    FROM unnest(%s::text[], %s::text[]) AS wanted (merchant_id, id)
    JOIN payment_intents AS intent USING (merchant_id, id)
    LEFT JOIN texts ON texts.merchant_id = intent.merchant_id AND texts.owner_id = intent.id
"""

REFUNDS = f"""
    SELECT {columns_of(Refund, "refund")}, texts.body, texts.metadata
    FROM unnest(%s::text[], %s::text[]) AS wanted (merchant_id, payment_intent_id)
    JOIN refunds AS refund USING (merchant_id, payment_intent_id)
    LEFT JOIN texts ON texts.merchant_id = refund.merchant_id AND texts.owner_id = refund.id
    WHERE refund.status = 'PENDING' OR refund.id = ANY (%s)
"""

ATTEMPTS = f"""
    SELECT attempt.merchant_id, {columns_of(Attempt, "attempt")}
    FROM unnest(%s::text[], %s::text[]) AS wanted (merchant_id, payment_intent_id)
    JOIN psp_attempts AS attempt USING (merchant_id, payment_intent_id)
    WHERE attempt.state IN ('RUNNING', 'UNKNOWN', 'ACCEPTED', 'PARKED', 'STRAY') OR attempt.id = ANY (%s)
       OR attempt.payment_intent_id = ANY (%s)
"""

# The first event of a command stands for all of them: only it is in the index.
COMMITTED = """
    SELECT causation_id FROM events
    WHERE merchant_id = ANY (%s) AND causation_id = ANY (%s) AND causation_seq = 0
"""

_POSTING = (RecordOutcome, ApplyNotice, StartRefund, ReverseCapture, ReverseRefund)


def load(
    connection: DictConnection, submissions: Sequence[Submission], look_for_committed: bool
) -> WorkingSet:
    """The working set of a batch, read in the transaction that is open on ``connection``.

    ``look_for_committed`` asks whether an earlier try of these commands had committed after all.
    """
    with connection.pipeline() as pipeline:
        loading = _Loading(connection, submissions, look_for_committed)
        pipelining.sync(connection, pipeline)
        working = loading.working_set()
        wanted = unique((*_payment_accounts(submissions, working), *accounts_of(submissions, working)))
        if wanted:
            cursor = connection.execute(ACCOUNTS, columns(wanted))
            pipelining.sync(connection, pipeline)
            add_accounts(working, cursor)
    return working


class _Loading:
    """The statements of the first round trip, sent together, then read."""

    def __init__(
        self, connection: DictConnection, submissions: Sequence[Submission], committed: bool
    ) -> None:
        commands = [submission.command for submission in submissions]
        self._now = min(submission.now for submission in submissions)
        merchant_ids = sorted({command.merchant_id for command in commands})
        intents = unique(
            (command.merchant_id, command.intent_id)
            for command in commands
            if not isinstance(command, OtherCommand | CreateIntent)
        )
        refunds = [one.refund_id for one in commands if isinstance(one, RecordOutcome | ReverseRefund)]
        noticed = [one for one in commands if isinstance(one, ApplyNotice)]
        refunds += [refund_id for one in noticed for refund_id in one.refund_ids]
        attempts = [one.attempt_id for one in commands if isinstance(one, RecordOutcome)]
        slots = [
            slot
            for one in commands
            if isinstance(one, CreateMerchant)
            for slot in slot_candidates(one.merchant_id)
        ]
        self._connection = connection
        self._ledger = LedgerLoading(connection, submissions)
        self._routing = RoutingLoading(connection, submissions)
        self._dead_letters = DeadLetterLoading(connection, submissions)
        self._webhook_endpoints = WebhookEndpointsLoading(connection, submissions)
        execute = connection.execute
        self._merchants = execute(MERCHANTS, [merchant_ids])
        self._psp_accounts = execute(PSP_ACCOUNTS, [merchant_ids])
        self._slots = execute(SLOT_OWNERS, [slots]) if slots else None
        keys = unique(_key_pairs(submissions))
        self._keys = execute(KEYS, columns(keys)) if keys else None
        self._intents = execute(INTENTS, columns(intents)) if intents else None
        self._refunds = execute(REFUNDS, [*columns(intents), refunds]) if intents else None
        self._attempts = self._attempts_of(intents, attempts, noticed)
        command_ids = [submission.command_id for submission in submissions]
        self._committed = execute(COMMITTED, [merchant_ids, command_ids]) if committed else None

    def _attempts_of(
        self, intents: list[MerchantScoped], attempts: list[str], noticed: list[ApplyNotice]
    ) -> Iterable[dict[str, Any]]:
        """The open ones and those that are named; a notice may be about any."""
        if not intents:
            return ()
        whole = [one.intent_id for one in noticed]
        return self._connection.execute(ATTEMPTS, [*columns(intents), attempts, whole])

    def working_set(self) -> WorkingSet:
        """What the statements found."""
        psp_accounts = defaultdict(list)
        for row in self._psp_accounts:
            psp_accounts[row["merchant_id"]].append(rows.psp_account(row))
        merchants = [rows.merchant(row, psp_accounts[row["merchant_id"]]) for row in self._merchants]
        working = WorkingSet(
            merchants={merchant.id: merchant for merchant in merchants},
            slot_owners={row["slot"]: row["merchant_id"] for row in self._slots or ()},
            intents=self._aggregates(),
            keys={
                (row["merchant_id"], row["key"]): record
                for row in self._keys or ()
                if (record := self._key(row))
            },
            committed=frozenset(row["causation_id"] for row in self._committed or ()),
        )
        self._ledger.add_to(working)
        self._routing.add_to(working)
        self._dead_letters.add_to(working)
        self._webhook_endpoints.add_to(working)
        return working

    def _key(self, row: rows.Row) -> KeyRecord | None:
        # A key that has expired is as good as deleted; the worker that deletes it may be behind.
        if row["expires_at"] is not None and row["expires_at"] <= self._now:
            return None
        return KeyRecord(
            row["request_hash"], row["command_id"], row["attempt_id"], row["response"], row["completed_at"]
        )

    def _aggregates(self) -> dict[MerchantScoped, IntentAggregate]:
        found = {
            (row["merchant_id"], row["id"]): IntentAggregate(
                rows.payment_intent(row), texts={row["id"]: rows.texts_of(row)}
            )
            for row in self._intents or ()
        }
        for row in self._refunds or ():
            scoped = (row["merchant_id"], row["payment_intent_id"])
            aggregate = found[scoped]
            refunds = {**aggregate.refunds, row["id"]: rows.refund(row)}
            texts = {**aggregate.texts, row["id"]: rows.texts_of(row)}
            found[scoped] = replace(aggregate, refunds=refunds, texts=texts)
        for row in self._attempts:
            scoped = (row["merchant_id"], row["payment_intent_id"])
            attempts = {**found[scoped].attempts, row["id"]: rows.attempt(row)}
            found[scoped] = replace(found[scoped], attempts=attempts)
        return found


def _key_pairs(submissions: Sequence[Submission]) -> Iterable[MerchantScoped]:
    for submission in submissions:
        command = submission.command
        if submission.claim is not None:
            yield command.merchant_id, submission.claim.key
        if isinstance(command, RecordOutcome) and command.idempotency_key:
            yield command.merchant_id, command.idempotency_key
        if isinstance(command, ApplyNotice):
            yield from ((command.merchant_id, key) for key in command.idempotency_keys)


def _payment_accounts(submissions: Sequence[Submission], working: WorkingSet) -> Iterable[MerchantScoped]:
    for submission in submissions:
        command = submission.command
        if isinstance(command, _POSTING):
            aggregate = working.intents.get((command.merchant_id, command.intent_id))
            for book in _books_of(aggregate) if aggregate else ():
                yield from ((command.merchant_id, account_id) for account_id in book.accounts())


def _books_of(aggregate: IntentAggregate) -> Iterable[Book]:
    """The intent's, and those of attempts at other PSP accounts, which may turn out to have succeeded."""
    currency = aggregate.intent.currency
    elsewhere = (Book(attempt.psp_account_id, currency) for attempt in aggregate.attempts.values())
    return dict.fromkeys((aggregate.intent.book, *elsewhere))
