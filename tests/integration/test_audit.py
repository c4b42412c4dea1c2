"""The continuous audit: silent where everything agrees, and what somebody changed is found and named."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import psycopg
import pytest
from prometheus_client import REGISTRY
from psycopg.rows import dict_row

from payflow.domain.folding.submission import Applied
from payflow.events.replay import state_audit
from payflow.events.replay.state_audit import StateAudit
from payflow.store.database.pool import PoolLimits
from payflow.store.database.read_pool import Ask, ReadPool
from payflow.store.replay.audit_reader import AuditReader, Read, Subject
from server.worker import audit
from server.worker.audit import PASS_ENDED_AT_S, Audit, tell
from tests.contention import hammer
from tests.databases import Database
from tests.random_books import RandomBooks
from tests.random_payments import RandomPayments
from tests.submissions import Till, commit, committer
from tests.waiting import WAIT_S

FROM = datetime(2030, 1, 1, tzinfo=UTC)
STEPS = 80
NOW_S = 1_900_000_000.0
# Fewer than most accounts have entries, so that slices end in the middle of them.
SLICE_ROWS = 30
EVENTS = 40
PAYMENTS = 10
LOOKS = 5
Reads = Mapping[Subject, Read]

# As a superuser with triggers off: what is changed, where that is found, and by how many minor units.
TAMPERINGS = {
    "an amount": (
        "UPDATE entries SET amount = amount + 5 WHERE account_version = 2 AND layer = 'POSTED'",
        {Subject.ENTRIES, Subject.TRANSACTIONS},
    ),
    "a sum": (
        "UPDATE entries SET posted_after = posted_after + 1 WHERE account_version = 3",
        {Subject.ENTRIES},
    ),
    "an entry that is gone": (
        "DELETE FROM entries WHERE account_version = 2",
        {Subject.ENTRIES, Subject.TRANSACTIONS},
    ),
    "a balance": ("UPDATE balances SET posted = posted - 9 WHERE version > 0", {Subject.BALANCES}),
    "a captured amount": (
        "UPDATE payment_intents SET captured_amount = captured_amount - 1 "
        "WHERE captured_amount > refunded_amount + refund_pending_amount",
        {Subject.INTENTS},
    ),
    "a version": ("UPDATE payment_intents SET version = version + 1", {Subject.INTENTS}),
    "a hold": (
        "UPDATE transactions SET status = 'RESOLVED' WHERE status = 'PENDING'",
        {Subject.INTENTS},
    ),
}

# The same, of what only the events tell, and how it is named.
AGAINST_THE_EVENTS = {
    "when an intent changed": (
        "UPDATE payment_intents SET updated_at = updated_at + interval '1 microsecond'",
        r"payment_intents: updated_at: not what the events say",
    ),
    "an intent's row": ("DELETE FROM payment_intents", "payment_intents: the row is missing"),
    "what a refund is called": (
        "UPDATE refunds SET psp_refund_id = 'another' WHERE status = 'REFUNDED'",
        "refunds: psp_refund_id: not what the events say",
    ),
    "a refund that nobody asked for": (
        "INSERT INTO refunds SELECT (jsonb_populate_record(NULL::refunds, to_jsonb(one) || "
        "jsonb_build_object('id', one.id || 'x'))).* FROM refunds AS one LIMIT 1",
        "refunds: the row is in no event",
    ),
    "a fence": (
        "UPDATE psp_attempts SET fence = fence + 1",
        "psp_attempts: fence: not what the events say",
    ),
    "a fee": (
        "UPDATE psp_accounts SET fee_fixed = fee_fixed + 1",
        "psp_accounts: fee_fixed: not what the events say",
    ),
    "rules": ("DELETE FROM routing_rules", "routing_rules: the row is missing"),
    "an experiment": (
        "UPDATE routing_experiments SET name = 'another'",
        "routing_experiments: name: not what the events say",
    ),
    "a caller's account": (
        "UPDATE accounts SET allow_negative = NOT allow_negative WHERE NOT starts_with(id, 'sys:')",
        "accounts: allow_negative: not what the events say",
    ),
    "an entry's place": (
        "UPDATE entries SET position = position + 10",
        "entries: position: not what the events say",
    ),
    "an event in the middle": (
        "DELETE FROM events WHERE aggregate_version = 2",
        r"its events have a gap: .* event 3 stands where 2 belongs",
    ),
    "the last event": (
        "DELETE FROM events AS last WHERE starts_with(aggregate_id, 'pi_') AND NOT EXISTS "
        "(SELECT FROM events AS later WHERE later.merchant_id = last.merchant_id "
        "AND later.aggregate_id = last.aggregate_id AND later.aggregate_version > last.aggregate_version)",
        r"payment_intents: .*version.*: not what the events say",
    ),
    "what happened": (
        "UPDATE events SET type = 'attempt.parked', schema_version = 1 WHERE type = 'refund.created'",
        "its events make no sense: ",
    ),
}
# What a newer release may have left behind.
OF_A_NEWER_RELEASE = {
    "a column": "ALTER TABLE payment_intents ADD COLUMN next_release text NOT NULL DEFAULT 'x'",
    "a type": "UPDATE events SET type = 'payment_intent.teleported' WHERE type = 'payment_intent.captured'",
    "a layout": "UPDATE events SET schema_version = 99 WHERE type = 'payment_intent.captured'",
}


@pytest.fixture(scope="module")
def database(new_database: Callable[[], Database]) -> Database:
    made = new_database()
    pipeline = committer(made.application_url)
    pipeline.start()
    with psycopg.connect(made.owner_url, autocommit=True, row_factory=dict_row) as connection:
        payments = RandomPayments(pipeline, Till("paying", now=FROM), random.Random(3), connection)
        payments.set_up()
        for _ in range(STEPS):
            payments.step()
    books = RandomBooks(pipeline, Till("keeping", now=FROM), random.Random(3))
    books.set_up()
    for _ in range(STEPS):
        books.step()
    pipeline.close()
    return made


class _Session:
    """Reads in one session, which sees what that one has not committed. Stands for a ReadPool."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self._connection = connection

    def all(self, sql: str, parameters: Sequence[Any], deadline: float) -> list[dict[str, Any]]:
        return self._connection.execute(sql.encode(), parameters).fetchall()

    @contextmanager
    def instant(self, deadline: float) -> Iterator[Ask]:
        yield lambda sql, parameters, plan_anew=False: self.all(sql, parameters, deadline)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A superuser's, with triggers off; nothing that it does lasts."""
    with psycopg.connect(database.owner_url, row_factory=dict_row) as one:
        one.execute("SET session_replication_role = replica")
        yield one
        one.rollback()


@pytest.fixture
def reads(connection: psycopg.Connection[dict[str, Any]]) -> Reads:
    return _reads(cast("ReadPool", _Session(connection)))


def _reads(pool: ReadPool) -> Reads:
    return AuditReader(pool).reads() | {Subject.EVENTS: StateAudit(pool).slice}


def _look_at_everything(reads: Reads) -> set[Subject]:
    """The subjects with findings."""
    auditing = Audit(reads, lambda: NOW_S, SLICE_ROWS)
    for subject in Subject:
        PASS_ENDED_AT_S.labels(subject).set(0)
    rounds = 0
    while not all(_sample("payflow_audit_pass_ended_seconds", subject) == NOW_S for subject in Subject):
        auditing.round()
        rounds += 1
        assert rounds < 10_000
    assert rounds > 1
    return {subject for subject in Subject if _sample("payflow_audit_findings", subject)}


def _told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What the audit says; threads of other tests may still say something, too."""
    return [record for record in caplog.records if record.name == audit.__name__]


def _sample(name: str, subject: Subject) -> float:
    return REGISTRY.get_sample_value(name, {"subject": subject}) or 0


def test_what_agrees_is_passed_over_in_silence(reads: Reads, caplog: pytest.LogCaptureFixture) -> None:
    assert _look_at_everything(reads) == set()
    assert _told(caplog) == []


@pytest.mark.parametrize("what", TAMPERINGS)
def test_what_somebody_changed_is_found(
    connection: psycopg.Connection[dict[str, Any]],
    reads: Reads,
    what: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    statement, subjects = TAMPERINGS[what]
    assert connection.execute(statement.encode()).rowcount > 0
    assert _look_at_everything(reads) >= subjects
    assert all(vars(record)["merchant_id"] in ("paying", "keeping") for record in _told(caplog))
    if what not in ("a version", "a hold"):
        assert sum(_sample("ledger_imbalance_minor_units", subject) for subject in subjects) > 0


@pytest.mark.parametrize("what", AGAINST_THE_EVENTS)
def test_what_is_not_as_the_events_say_is_found_and_named(
    connection: psycopg.Connection[dict[str, Any]],
    reads: Reads,
    what: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    statement, named = AGAINST_THE_EVENTS[what]
    assert connection.execute(statement.encode()).rowcount > 0
    assert _findings(reads) > 0
    assert any(
        re.fullmatch(f"what is stored does not agree: events {named}.*", one) for one in caplog.messages
    )


@pytest.mark.parametrize("what", OF_A_NEWER_RELEASE)
def test_what_a_newer_release_left_is_no_finding(
    connection: psycopg.Connection[dict[str, Any]], reads: Reads, what: str
) -> None:
    connection.execute(OF_A_NEWER_RELEASE[what].encode())
    assert _findings(reads) == 0


def test_an_aggregate_of_very_many_events_is_passed_over(
    connection: psycopg.Connection[dict[str, Any]], reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("UPDATE payment_intents SET updated_at = updated_at + interval '1 second'")
    monkeypatch.setattr(state_audit, "EVENTS_MAX", 0)
    assert _findings(reads, events=1) == 0


def test_nothing_is_found_while_others_write(new_database: Callable[[], Database]) -> None:
    busy = new_database()
    url = busy.application_url
    pipeline = committer(url)
    pipeline.start()
    pool = ReadPool(url, PoolLimits(connections_max=2))
    pool.open()
    try:
        for merchant_id in ("one", "two"):
            assert isinstance(commit(pipeline, Till(merchant_id).merchant()), Applied)
        looked = threading.Event()
        with ThreadPoolExecutor(2) as executor:
            writing = [executor.submit(_write_until, looked, url, one) for one in ("one", "two")]
            try:
                for _ in range(LOOKS):
                    assert _findings(_reads(pool), every=True) == 0
            finally:
                looked.set()
            assert all(one.result() >= PAYMENTS for one in writing)
        assert _findings(_reads(pool), every=True) == 0
    finally:
        pool.close()
        pipeline.close()


def _write_until(looked: threading.Event, url: str, merchant_id: str) -> int:
    """Makes PAYMENTS again and again, so that others write however long a look takes; says how many."""
    rounds = 0
    while rounds == 0 or not looked.is_set():
        hammer(url, merchant_id, rounds, PAYMENTS, lane=0)
        rounds += 1
    return rounds * PAYMENTS


def _findings(reads: Reads, events: int = EVENTS, every: bool = False) -> int:
    """How many one look at all events has, or at every subject; they are logged."""
    found = 0
    for subject in Subject if every else (Subject.EVENTS,):
        after: tuple[Any, ...] = ()
        while True:
            slice_ = reads[subject](after, events, time.monotonic() + WAIT_S)
            found += len(slice_.findings)
            for finding in slice_.findings:
                tell(finding)
            after = slice_.last
            if not after:
                break
    return found
