"""The commit pipeline when connections break, the database goes away, or others keep getting in its way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count

import psycopg
import pytest

from payflow.commands.call import replay
from payflow.domain.errors import Reason
from payflow.domain.folding.submission import Applied, Refused, Replayed, Result, Submission
from payflow.domain.intent.state import PaymentIntent
from payflow.domain.merchant.commands import CreateMerchant
from payflow.store.commit import loading, loading_ledger, writing, writing_ledger
from payflow.store.commit.committer import CommitLimits, Committer
from payflow.store.commit.metrics import BATCH_RETRIES
from payflow.store.database import writer_connection
from payflow.v1 import payment_intent_pb2
from tests.books import assert_books_right
from tests.databases import Database
from tests.services import PostgresServer
from tests.submissions import (
    Till,
    attempt_of,
    captured,
    commit,
    committer,
    intent_of,
    one_batch,
)
from tests.waiting import WAIT_S, wait_until
from tests.writer_tap import Connection, Hook, WriterTap, tapped_writers

_merchants = count(1)


@pytest.fixture
def tap(monkeypatch: pytest.MonkeyPatch) -> WriterTap:
    return tapped_writers(monkeypatch)


@pytest.fixture
def till(database: Database) -> Till:
    """A merchant of the test's own."""
    one = Till(f"failures-{next(_merchants)}")
    one_batch(database.application_url, [one.merchant()])
    return one


@pytest.fixture
def running(database: Database, till: Till, tap: WriterTap) -> Iterator[Committer]:
    """A committer that has connected already, over a tapped connection."""
    pipeline = committer(database.application_url)
    pipeline.start()
    captured(pipeline, till)
    yield pipeline
    pipeline.close()


def _on(sql: str, act: Callable[[Connection], None], times: int = 1) -> Hook:
    """Acts at the first ``times`` occurrences of a statement."""
    left = iter(range(times))

    def hook(connection: Connection, statement: str) -> None:
        if statement == sql and next(left, None) is not None:
            act(connection)

    return hook


def _break(connection: Connection) -> None:
    connection.close()
    raise psycopg.OperationalError("the connection was lost")


def _conflict(connection: Connection) -> None:
    raise psycopg.errors.SerializationFailure("could not serialize access")


def _retries(label: str) -> float:
    return float(BATCH_RETRIES.labels(label)._value.get())


def _reason(result: Result) -> Reason:
    assert isinstance(result, Refused), result
    return result.error.reason


def _applied_once(database: Database, intent: PaymentIntent) -> None:
    """The stored intent is exactly as it was answered, with as many events as it has versions."""
    query = """
        SELECT i.version, i.status, count(e.*) FROM payment_intents i
        JOIN events e ON e.merchant_id = i.merchant_id AND e.aggregate_id = i.id
        WHERE i.merchant_id = %s AND i.id = %s GROUP BY i.version, i.status
    """
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute(query, [intent.merchant_id, intent.id]).fetchone()
    assert row == (intent.version, intent.status, intent.version)
    assert_books_right(database.owner_url)


def _lose_the_answer_of(pipeline: Committer, tap: WriterTap, submission: Submission) -> Result:
    """Commits it over a connection that breaks right behind COMMIT."""
    connections = tap.connections
    tap.behind = _on(writer_connection.COMMIT, _break)
    result = pipeline.commit(submission, None)
    assert tap.connections == connections + 1
    return result


def test_a_create_whose_commit_went_unanswered_is_answered_by_looking(
    database: Database, till: Till, tap: WriterTap, running: Committer
) -> None:
    create = till.create()
    result = _lose_the_answer_of(running, tap, create)
    assert isinstance(result, Replayed)
    answer = replay(result)
    assert answer.stored is not None and not answer.replayed
    created = payment_intent_pb2.PaymentIntent.FromString(answer.stored)
    assert (created.id, created.version) == (create.command.intent_id, 1)  # type: ignore[union-attr]
    again = running.commit(create, None)
    assert isinstance(again, Replayed) and again.response == answer.stored
    assert_books_right(database.owner_url)


def test_a_started_operation_whose_commit_went_unanswered_goes_on_with_its_attempt(
    database: Database, till: Till, tap: WriterTap, running: Committer
) -> None:
    intent = intent_of(commit(running, till.create()))
    started = _lose_the_answer_of(running, tap, till.authorize(intent.id, "authorize"))
    authorized = intent_of(commit(running, till.outcome(attempt_of(started))))
    assert (authorized.status, authorized.version) == ("AUTHORIZED", 3)
    _applied_once(database, authorized)


def test_an_outcome_whose_commit_went_unanswered_is_booked_once(
    database: Database, till: Till, tap: WriterTap, running: Committer
) -> None:
    intent = intent_of(commit(running, till.create()))
    attempt = attempt_of(commit(running, till.authorize(intent.id, "authorize")))
    authorized = intent_of(_lose_the_answer_of(running, tap, till.outcome(attempt)))
    assert authorized.status == "AUTHORIZED"
    _applied_once(database, authorized)


def test_a_merchant_whose_commit_went_unanswered_is_there(
    database: Database, tap: WriterTap, running: Committer
) -> None:
    result = _lose_the_answer_of(running, tap, Till("failures-merchant").merchant())
    assert isinstance(result, Applied) and result.resource is not None


def test_a_batch_that_is_split_behind_a_lost_answer_still_looks(database: Database, tap: WriterTap) -> None:
    """Committed, but the answer was lost; and then the look-up was canceled."""

    def cancel(connection: Connection) -> None:
        if tap.count(writer_connection.COMMIT) == 1:
            raise psycopg.errors.QueryCanceled("statement timeout")

    tap.behind = _on(writer_connection.COMMIT, _break)
    tap.before = _on(loading.COMMITTED, cancel)
    names = ("failures-split-1", "failures-split-2")
    results = one_batch(
        database.application_url, [Till(name).submission(CreateMerchant(name)) for name in names]
    )
    assert all(isinstance(result, Applied) for result in results)
    assert tap.count(loading.COMMITTED) == 3


def test_a_commit_that_never_arrived_is_made_again(
    database: Database, till: Till, tap: WriterTap, running: Committer
) -> None:
    tap.before = _on(writer_connection.COMMIT, _break)
    result = running.commit(till.create(), None)
    assert isinstance(result, Applied) and len(result.events) == 1
    _applied_once(database, intent_of(result))


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(writer_connection.TAKE_TURN, id="turn"),
        pytest.param(writer_connection.BEGIN, id="begin"),
        pytest.param(loading.KEYS, id="first load"),
        pytest.param(loading_ledger.ACCOUNTS, id="second load"),
        pytest.param(writing.EVENTS, id="first write"),
        pytest.param(writing_ledger.ENTRIES, id="entries"),
        pytest.param(writer_connection.COMMIT, id="commit"),
        pytest.param(writer_connection.END_TURN, id="end of turn"),
    ],
)
def test_a_backend_that_is_terminated_costs_no_command(
    database: Database, till: Till, tap: WriterTap, running: Committer, statement: str
) -> None:
    """In the middle of work: other commands wait in line behind the one that is hit."""

    def terminate(connection: Connection) -> None:
        with psycopg.connect(database.owner_url) as owner:
            owner.execute("SELECT pg_terminate_backend(%s, 2000)", [connection.info.backend_pid])

    connections = tap.connections
    intents = [intent_of(commit(running, till.create())) for _ in range(4)]
    starts = [commit(running, till.authorize(intent.id, f"authorize-{intent.id}")) for intent in intents]
    tap.before = _on(statement, terminate)
    pending = [running.submit(till.outcome(attempt_of(start)), None) for start in starts]
    pending += [running.submit(till.create(), None) for _ in range(4)]
    for one in pending:
        result = one.result.result(WAIT_S)
        assert isinstance(result, Applied) or (isinstance(result, Replayed) and result.first)
    assert tap.connections == connections + 1
    for intent in intents:
        with psycopg.connect(database.owner_url) as owner:
            query = "SELECT status, version FROM payment_intents WHERE id = %s"
            assert owner.execute(query, [intent.id]).fetchone() == ("AUTHORIZED", 3)
    assert_books_right(database.owner_url)


def _allow_connections(postgres: PostgresServer, name: str, allowed: bool) -> None:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {str(allowed).lower()}".encode())
        if not allowed:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(query, [name])


@pytest.fixture
def removable(new_database: Callable[[], Database]) -> tuple[Database, str]:
    """A database that a test may take away, and its name."""
    one = new_database()
    with psycopg.connect(one.owner_url) as connection:
        return one, connection.info.dbname


def test_a_database_that_comes_back_in_time_costs_no_command(
    postgres: PostgresServer, removable: tuple[Database, str]
) -> None:
    database, name = removable
    till = Till("patient")
    conflicts_max = 3
    limits = CommitLimits(tries_max=conflicts_max, reconnect_for_s=WAIT_S)
    pipeline = committer(database.application_url, limits)
    pipeline.start()
    commit(pipeline, till.merchant())
    _allow_connections(postgres, name, False)
    before = _retries("OperationalError")
    pending = [pipeline.submit(till.create(), None) for _ in range(5)]
    wait_until(lambda: _retries("OperationalError") - before > 2 * conflicts_max)
    assert not any(one.result.done() for one in pending)
    _allow_connections(postgres, name, True)
    created = {intent_of(one.result.result(WAIT_S)).id for one in pending}
    pipeline.close()
    with psycopg.connect(database.owner_url) as connection:
        assert {row[0] for row in connection.execute("SELECT id FROM payment_intents")} == created


def test_a_database_that_stays_away_is_said_to_be(
    postgres: PostgresServer, removable: tuple[Database, str]
) -> None:
    database, name = removable
    till = Till("impatient")
    pipeline = committer(database.application_url, CommitLimits(tries_max=3, reconnect_for_s=0.5))
    pipeline.start()
    commit(pipeline, till.merchant())
    _allow_connections(postgres, name, False)
    create = till.create()
    refused = pipeline.commit(create, None)
    assert isinstance(refused, Refused) and refused.error.reason is Reason.DATABASE_UNAVAILABLE
    assert refused.error.retry_after_s is not None
    _allow_connections(postgres, name, True)
    assert intent_of(commit(pipeline, create)).version == 1
    pipeline.close()


def test_conflicts_are_folded_again_and_counted(
    database: Database, till: Till, tap: WriterTap, running: Committer
) -> None:
    before = _retries("40001")
    tap.before = _on(writer_connection.COMMIT, _conflict, times=3)
    create = till.create()
    result = commit(running, create)
    assert _retries("40001") == before + 3
    assert intent_of(result).id == create.command.intent_id  # type: ignore[union-attr]
    _applied_once(database, intent_of(result))


def test_conflicts_without_end_are_given_up_and_leave_nothing(
    database: Database, till: Till, tap: WriterTap
) -> None:
    pipeline = committer(database.application_url, CommitLimits(tries_max=4))
    pipeline.start()
    tap.before = _on(writer_connection.COMMIT, _conflict, times=4)
    create = till.create()
    refused = pipeline.commit(create, None)
    assert isinstance(refused, Refused) and refused.error.reason is Reason.CONCURRENT_UPDATE
    assert refused.error.retry_after_s is not None
    assert tap.count(writer_connection.BEGIN) == tap.count(writer_connection.ROLLBACK) == 4
    assert intent_of(commit(pipeline, create)).version == 1
    pipeline.close()
    assert tap.connections == 1


def test_a_turn_that_somebody_keeps_only_delays(
    database: Database, till: Till, tap: WriterTap, running: Committer
) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as other:
        other.execute(writer_connection.TAKE_TURN, [writer_connection.COMMITTER_TURNS, 0])
        tap.statements.clear()
        started = time.monotonic()
        created = intent_of(commit(running, till.create()))
        took_s = time.monotonic() - started
    assert took_s >= writer_connection.LOCK_TIMEOUT_MS / 1000
    turns = (writer_connection.TAKE_TURN, writer_connection.COMMIT, writer_connection.END_TURN)
    assert [tap.count(statement) for statement in turns] == [1, 1, 0]
    _applied_once(database, created)
