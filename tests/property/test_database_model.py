"""The real database against its model, the pure core in memory: they agree on every field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from itertools import count
from typing import Any, ClassVar

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from psycopg.rows import dict_row

from payflow.domain.folding.submission import Applied, Refused, Replayed, Submission
from payflow.domain.folding.working_set import RecordedEvent
from payflow.domain.ids import bucket_of
from payflow.domain.intent.commands import RecordOutcome
from payflow.domain.intent.events import IntentEvent
from payflow.domain.ledger.account import Balance
from payflow.store import rows
from payflow.store.commit.committer import Committer
from payflow.wire.events import event_name, schema_version, to_payload
from tests.books import assert_books_right
from tests.core import LEASE, comparable
from tests.databases import Database
from tests.random_commands import OPENINGS, PAUSES_S, STEPS, Sender, Step
from tests.recording_core import RecordingCore

KEY_TTL = timedelta(seconds=60)
ANSWER_TIMEOUT_S = 30
SCOPED = "SELECT * FROM {table} WHERE merchant_id = ANY (%s)"
ENVELOPE = tuple(field.name for field in fields(RecordedEvent) if field.name != "data")
EVENT = (*ENVELOPE, "type", "schema_version", "payload", "bucket")
BALANCE = tuple(field.name for field in fields(Balance))

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Ground:
    """One committer on one database for every run of the machine; ``seen`` counts what happened."""

    committer: Committer
    connection: psycopg.Connection[dict[str, Any]]
    url: str
    seen: Counter[object]

    def rows(self, table: str, merchant_ids: list[str]) -> Rows:
        return self.connection.execute(SCOPED.format(table=table).encode(), [merchant_ids]).fetchall()


@pytest.fixture(scope="module")
def ground(database: Database) -> Iterator[Ground]:
    seen: Counter[object] = Counter()
    committer = Committer(
        database.application_url,
        lease=LEASE,
        key_ttl=KEY_TTL,
        on_commit=lambda changes: seen.update(["transaction", *(type(one.data) for one in changes.events)]),
    )
    committer.start()
    with psycopg.connect(database.owner_url, autocommit=True, row_factory=dict_row) as connection:
        yield Ground(committer, connection, database.owner_url, seen)
    committer.close()


class DatabaseAgrees(RuleBasedStateMachine):
    """Batches of random commands, and a clock that jumps to and fro between them."""

    names = count(1)
    ground: ClassVar[Ground]

    def __init__(self) -> None:
        super().__init__()
        self.core = RecordingCore(f"run{next(self.names)}", KEY_TTL)
        self.merchant_ids = [f"{self.core.name}-shop", f"{self.core.name}-stall"]
        self.sender = Sender(self.core, self.merchant_ids)

    @initialize(opening=OPENINGS)
    def open(self, opening: list[Step]) -> None:
        """The merchants and a payment that has got somewhere, in line together."""
        self.core.add_merchant(self.merchant_ids[0])
        self.core.add_merchant(self.merchant_ids[1], fee_bps=255, fee_fixed=30)
        self.commit_batch(opening)

    @rule(steps=st.lists(STEPS, min_size=1, max_size=10))
    def commit_batch(self, steps: list[Step]) -> None:
        """Several commands are in line before the first is answered; all of them are of one moment."""
        for step in steps:
            now = self.core.now
            submission = self.sender.submission(step)
            if self.core.now != now or (submission and self._follows_a_commit(submission)):
                self._send()
            if submission is not None:
                self.ground.seen["expired key"] += self.core.has_expired(submission)
                self.core.fold(submission)
        self._send()

    def _follows_a_commit(self, submission: Submission) -> bool:
        """A PSP is called, and its outcome known, only behind the commit of its attempt."""
        command = submission.command
        due = [one.psp_call.attempt for one in self._unsent_results() if one.psp_call]
        holders = [(attempt.id, attempt.fence) for attempt in due]
        return isinstance(command, RecordOutcome) and (command.attempt_id, command.fence) in holders

    def _unsent_results(self) -> list[Applied]:
        return [result for _, result in self.core.unsent if isinstance(result, Applied)]

    @rule(pause_s=st.sampled_from(PAUSES_S))
    def turn_clock(self, pause_s: int) -> None:
        """Leases and keys run out; or the clock was set back."""
        self.core.turn_clock(timedelta(seconds=pause_s))

    def _send(self) -> None:
        taken = self.core.take_unsent()
        waiting = [self.ground.committer.submit(submission, None) for submission, _ in taken]
        for pending, (submission, expected) in zip(waiting, taken, strict=True):
            result = pending.result.result(ANSWER_TIMEOUT_S)
            assert comparable(result) == expected, submission
            self.ground.seen.update(["command", type(result)])

    @invariant()
    def payments_agree(self) -> None:
        """Intents, refunds and attempts, field by field."""
        aggregates = self.core.working.intents
        refunds = [
            (scoped[0], one) for scoped, aggregate in aggregates.items() for one in aggregate.refunds.values()
        ]
        attempts = [
            (scoped[0], one)
            for scoped, aggregate in aggregates.items()
            for one in aggregate.attempts.values()
        ]
        stored = self._stored("payment_intents")
        assert by_id(stored, rows.payment_intent) == {
            scoped: one.intent for scoped, one in aggregates.items()
        }
        assert by_id(self._stored("refunds"), rows.refund) == {(owner, one.id): one for owner, one in refunds}
        stored_attempts = self._stored("psp_attempts")
        assert by_id(stored_attempts, rows.attempt) == {(owner, one.id): one for owner, one in attempts}
        for row in [*stored, *stored_attempts]:
            assert row["bucket"] == bucket_of(row["merchant_id"])
        texts = {(row["merchant_id"], row["owner_id"]): rows.texts_of(row) for row in self._stored("texts")}
        assert texts == self.core.texts

    @invariant()
    def books_agree(self) -> None:
        """Accounts, balances and the statuses of transactions; tests.books adds the entries up."""
        books = self.core.working.books
        balances = {
            (row["merchant_id"], row["account_id"]): Balance(**{name: row[name] for name in BALANCE})
            for row in self._stored("balances")
        }
        assert balances == {
            (owner, account_id): one
            for owner, book in books.items()
            for account_id, one in book.balances.items()
        }
        accounts = {
            (row["merchant_id"], row["id"]): (row["type"], row["currency"], row["allow_negative"])
            for row in self._stored("accounts")
        }
        assert accounts == {
            (owner, one.id): (one.type, one.currency, one.allow_negative)
            for owner, book in books.items()
            for one in book.accounts.values()
        }
        statuses = by_id(self._stored("transactions"), lambda row: row["status"])
        assert statuses == self.core.transaction_statuses

    @invariant()
    def keys_agree(self) -> None:
        """Keys with their responses and when they expire."""
        stored = {(row.pop("merchant_id"), row.pop("key")): row for row in self._stored("idempotency_keys")}
        assert stored == {
            (owner, key): {
                "bucket": bucket_of(owner),
                "request_hash": one.request_hash,
                "command_id": one.command_id,
                "attempt_id": one.attempt_id,
                "response": one.response,
                "completed_at": one.completed_at,
                "expires_at": one.completed_at + KEY_TTL if one.completed_at else None,
            }
            for (owner, key), one in self.core.keys.items()
        }

    @invariant()
    def merchants_agree(self) -> None:
        """Merchants and their PSP accounts."""
        accounts = [rows.psp_account(row) for row in self._stored("psp_accounts")]
        stored = {
            row["merchant_id"]: rows.merchant(
                row, [one for one in accounts if one.merchant_id == row["merchant_id"]]
            )
            for row in self._stored("merchants")
        }
        assert stored == self.core.working.merchants

    @invariant()
    def events_agree(self) -> None:
        """Every event, its bytes and its envelope."""
        stored = [{name: row[name] for name in EVENT} for row in self._stored("events")]
        assert in_order(stored) == in_order(event_row(event) for event in self.core.events)

    def _stored(self, table: str) -> Rows:
        return self.ground.rows(table, self.merchant_ids)

    def teardown(self) -> None:
        """The books hold by themselves, whatever the model thinks."""
        assert_books_right(self.ground.url)


def by_id(stored: Rows, read: Callable[[rows.Row], Any]) -> dict[tuple[str, str], Any]:
    return {(row["merchant_id"], row["id"]): read(row) for row in stored}


def event_row(event: RecordedEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in ENVELOPE} | {
        "type": event_name(event.data),
        "schema_version": schema_version(event.data),
        "payload": to_payload(event.data),
        "bucket": bucket_of(event.merchant_id),
    }


def in_order(events: Iterable[dict[str, Any]]) -> Rows:
    return sorted(events, key=lambda row: (row["merchant_id"], row["aggregate_id"], row["aggregate_version"]))


def test_database_and_core_agree_after_every_batch(ground: Ground) -> None:
    DatabaseAgrees.ground = ground
    run_state_machine_as_test(
        DatabaseAgrees,
        settings=settings(
            max_examples=130,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    seen = ground.seen
    wanted = {*IntentEvent.__args__, Applied, Replayed, Refused, "expired key"}
    assert {kind for kind in wanted if seen[kind] < 3} == set(), "random batches hardly ever got there"
    assert seen["command"] > 1_000
    assert seen["transaction"] < seen["command"] / 1.5, "the commands hardly ever shared a transaction"
