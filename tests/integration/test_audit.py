"""The continuous audit: silent where everything agrees, and what somebody changed is found and named."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import psycopg
import pytest
from prometheus_client import REGISTRY
from psycopg.rows import dict_row

from payflow.store.audit_reader import AuditReader, Subject
from payflow.store.read_pool import ReadPool
from server.worker.audit import PASS_ENDED_AT_S, Audit
from tests.databases import Database
from tests.random_books import RandomBooks
from tests.random_payments import RandomPayments
from tests.submissions import Till, committer

FROM = datetime(2030, 1, 1, tzinfo=UTC)
STEPS = 80
NOW_S = 1_900_000_000.0
# Fewer than most accounts have entries, so that slices end in the middle of them.
SLICE_ROWS = 7

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


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A superuser's, with triggers off; nothing that it does lasts."""
    with psycopg.connect(database.owner_url, row_factory=dict_row) as one:
        one.execute("SET session_replication_role = replica")
        yield one
        one.rollback()


@pytest.fixture
def reader(connection: psycopg.Connection[dict[str, Any]]) -> AuditReader:
    return AuditReader(cast("ReadPool", _Session(connection)))


def _look_at_everything(reader: AuditReader) -> set[Subject]:
    """The subjects with findings."""
    audit = Audit(reader, lambda: NOW_S, SLICE_ROWS)
    for subject in Subject:
        PASS_ENDED_AT_S.labels(subject).set(0)
    rounds = 0
    while not all(_sample("payflow_audit_pass_ended_seconds", subject) == NOW_S for subject in Subject):
        audit.round()
        rounds += 1
        assert rounds < 10_000
    assert rounds > 1
    return {subject for subject in Subject if _sample("payflow_audit_findings", subject)}


def _sample(name: str, subject: Subject) -> float:
    return REGISTRY.get_sample_value(name, {"subject": subject}) or 0


def test_what_agrees_is_passed_over_in_silence(reader: AuditReader, caplog: pytest.LogCaptureFixture) -> None:
    assert _look_at_everything(reader) == set()
    assert caplog.records == []


@pytest.mark.parametrize("what", TAMPERINGS)
def test_what_somebody_changed_is_found(
    connection: psycopg.Connection[dict[str, Any]],
    reader: AuditReader,
    what: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    statement, subjects = TAMPERINGS[what]
    assert connection.execute(statement.encode()).rowcount > 0
    assert _look_at_everything(reader) >= subjects
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert all(vars(record)["merchant_id"] in ("paying", "keeping") for record in told)
    if what not in ("a version", "a hold"):
        assert sum(_sample("ledger_imbalance_minor_units", subject) for subject in subjects) > 0
