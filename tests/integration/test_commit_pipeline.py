"""The commit pipeline over the real database: batches, their order, and who is refused alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import psycopg
import pytest

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding import fold
from payflow.domain.folding.submission import Applied, Refused, Replayed, Result, Submission
from payflow.domain.folding.working_set import Changes
from payflow.domain.intent.commands import CreateIntent, RecordOutcome
from payflow.domain.intent.decide import decide
from payflow.domain.intent.decision import Decision
from payflow.domain.psp_outcome import Approved
from payflow.domain.resources import PaymentIntentView, Resource
from payflow.domain.texts import Texts
from payflow.store.commit import committer as committer_module
from payflow.store.commit.committer import CommitLimits, Committer
from payflow.store.commit.metrics import BATCHES
from payflow.store.database import writer_connection
from payflow.v1 import payment_intent_pb2
from payflow.wire.resources import to_bytes
from tests.books import assert_books_right
from tests.databases import Database
from tests.identifiers import never_given
from tests.submissions import (
    KEY_TTL,
    LEASE,
    Till,
    attempt_of,
    captured,
    committer,
    intent_of,
    one_batch,
)
from tests.waiting import WAIT_S, wait_until
from tests.writer_tap import Connection, WriterTap, tapped_writers

NUL = "a\x00b"

_merchants = count(1)


@pytest.fixture
def tap(monkeypatch: pytest.MonkeyPatch) -> WriterTap:
    return tapped_writers(monkeypatch)


@pytest.fixture
def till(database: Database) -> Till:
    """A merchant of the test's own."""
    one = Till(f"pipeline-{next(_merchants)}")
    one_batch(database.application_url, [one.merchant()])
    return one


@pytest.fixture
def running(database: Database, till: Till) -> Iterator[Committer]:
    pipeline = committer(database.application_url)
    pipeline.start()
    yield pipeline
    pipeline.close()


def _reason(result: Result) -> Reason:
    assert isinstance(result, Refused), result
    return result.error.reason


def _intent_ids(database: Database, till: Till) -> set[str]:
    with psycopg.connect(database.owner_url) as connection:
        query = "SELECT id FROM payment_intents WHERE merchant_id = %s"
        return {row[0] for row in connection.execute(query, [till.merchant_id])}


def _stored_response(database: Database, till: Till, key: str) -> tuple[str, int]:
    """Status and version in the answer that was stored for a key."""
    with psycopg.connect(database.owner_url) as connection:
        query = "SELECT response FROM idempotency_keys WHERE merchant_id = %s AND key = %s"
        row = connection.execute(query, [till.merchant_id, key]).fetchone()
    assert row is not None
    intent = payment_intent_pb2.PaymentIntent.FromString(row[0])
    name = payment_intent_pb2.PaymentIntentStatus.Name(intent.status)
    return name.removeprefix("PAYMENT_INTENT_STATUS_"), intent.version


def test_under_load_every_transaction_of_the_writer_is_serializable(
    database: Database, till: Till, tap: WriterTap
) -> None:
    levels = []

    def ask(connection: Connection, sql: str) -> None:
        if sql == writer_connection.COMMIT:
            levels.append(connection.execute("SHOW transaction_isolation").fetchone())

    tap.before = ask
    pipeline = committer(database.application_url)
    payers = 16
    with ThreadPoolExecutor(payers) as executor:
        paying = [executor.submit(captured, pipeline, Till(till.merchant_id, seed)) for seed in range(payers)]
        wait_until(lambda: len(pipeline._queue) == payers)
        pipeline.start()
        assert all(one.result(WAIT_S) for one in paying)
    pipeline.close()
    assert 5 <= len(levels) < 5 * payers, "they shared batches"
    assert all(level == {"transaction_isolation": "serializable"} for level in levels)
    assert tap.count(writer_connection.BEGIN) == len(levels)
    assert_books_right(database.owner_url)


def test_the_number_of_statements_does_not_grow_with_the_batch(
    database: Database, till: Till, tap: WriterTap, running: Committer
) -> None:
    captured(running, till)  # opens the accounts
    counted = {size: _statements_of_a_flow(database, till, tap, size) for size in (1, 8, 64)}
    assert counted[1] == counted[8] == counted[64]
    assert len(counted[1]) == 7
    assert all(5 < statements < 30 for statements in counted[1])


def _statements_of_a_flow(database: Database, till: Till, tap: WriterTap, size: int) -> list[int]:
    """Statements of each batch in which ``size`` intents are created, authorized, captured and refunded."""
    counted = []
    results: list[Result] = []
    steps: Sequence[Callable[[], list[Submission]]] = (
        lambda: [till.create() for _ in range(size)],
        lambda: [till.authorize(intent_of(one).id, f"a-{intent_of(one).id}") for one in results],
        lambda: [till.outcome(attempt_of(one)) for one in results],
        lambda: [till.capture(intent_of(one).id, 900, f"c-{intent_of(one).id}") for one in results],
        lambda: [till.outcome(attempt_of(one)) for one in results],
        lambda: [till.refund(intent_of(one).id, 400, f"r-{intent_of(one).id}") for one in results],
        lambda: [till.outcome(attempt_of(one)) for one in results],
    )
    for step in steps:
        tap.statements.clear()
        results = one_batch(database.application_url, step())
        assert all(isinstance(result, Applied) for result in results)
        assert tap.count(writer_connection.COMMIT) == 1
        counted.append(len(tap.statements))
    return counted


def _payment(till: Till, key: str) -> list[Submission]:
    """A whole payment as one after another: created, authorized, captured."""
    create = till.create(key=f"{key}-create")
    assert isinstance(create.command, CreateIntent)
    intent_id = create.command.intent_id
    start = till.authorize(intent_id, f"{key}-authorize")
    capture = till.capture(intent_id, 900, f"{key}-capture")
    return [create, start, _approved(till, start), capture, _approved(till, capture)]


def _approved(till: Till, start: Submission) -> Submission:
    assert start.claim is not None and not isinstance(start.command, RecordOutcome)
    intent_id = getattr(start.command, "intent_id", "")
    command = RecordOutcome(
        till.merchant_id, intent_id, till.attempt_id(start), 1, Approved("psp"), "", start.claim.key
    )
    return till.submission(command)


def test_each_answer_is_the_state_behind_its_own_command(database: Database, till: Till) -> None:
    results = one_batch(database.application_url, _payment(till, "own"))
    seen = [(intent_of(result).status, intent_of(result).version) for result in results]
    assert seen == [("CREATED", 1), ("PROCESSING", 2), ("AUTHORIZED", 3), ("PROCESSING", 4), ("CAPTURED", 5)]
    assert _stored_response(database, till, "own-create") == ("CREATED", 1)
    assert _stored_response(database, till, "own-authorize") == ("AUTHORIZED", 3)
    assert _stored_response(database, till, "own-capture") == ("CAPTURED", 5)
    assert_books_right(database.owner_url)


def test_a_bad_command_is_refused_alone(database: Database, till: Till) -> None:
    good = till.create(1_000, "once")
    assert isinstance(good.command, CreateIntent)
    other_request = till.create(2_000, "once")
    batch = [
        good,
        till.submission(good.command, "once"),
        other_request,
        till.capture(good.command.intent_id),
        till.authorize(never_given(good.command.intent_id)),
        till.authorize(good.command.intent_id, "authorize"),
        till.authorize(good.command.intent_id, "again"),
    ]
    before = BATCHES._value.get()
    created, duplicate, reused, too_early, missing, started, second = one_batch(
        database.application_url, batch
    )
    assert BATCHES._value.get() == before + 1
    assert isinstance(created, Applied) and isinstance(duplicate, Replayed)
    assert created.resource is not None and duplicate.response == to_bytes(created.resource)
    assert attempt_of(started).fence == 1
    assert [_reason(one) for one in (reused, too_early, missing, second)] == [
        Reason.IDEMPOTENCY_KEY_REUSED,
        Reason.INVALID_STATE_TRANSITION,
        Reason.NOT_FOUND,
        Reason.INVALID_STATE_TRANSITION,
    ]
    assert _intent_ids(database, till) == {good.command.intent_id}


def _poison(till: Till) -> Submission:
    """A command whose row PostgreSQL refuses."""
    return till.create(7, "poison", texts=Texts(NUL))


def _fail_to_render(resource: Resource) -> bytes:
    if isinstance(resource, PaymentIntentView) and resource.texts.text == NUL:
        raise RuntimeError("cannot be rendered")
    return to_bytes(resource)


def _fail_to_decide(aggregate: object, command: object, situation: object) -> Decision:
    if isinstance(command, CreateIntent) and command.texts.text == NUL:
        raise RuntimeError("cannot be decided")
    return decide(aggregate, command, situation)  # type: ignore[arg-type]  # passed through


@pytest.mark.parametrize("defect", ["row", "renderer", "decision"])
def test_a_command_that_breaks_its_batch_fails_alone_and_the_order_is_kept(
    database: Database, till: Till, monkeypatch: pytest.MonkeyPatch, defect: str
) -> None:
    if defect == "renderer":
        monkeypatch.setattr(committer_module, "to_bytes", _fail_to_render)
    if defect == "decision":
        monkeypatch.setattr(fold, "decide", _fail_to_decide)
    first, second = _payment(till, "first"), _payment(till, "second")
    batch = [*first[:2], *second[:3], _poison(till), *first[2:], *second[3:]]
    results = one_batch(database.application_url, batch)
    poisoned = results.pop(5)
    assert _reason(poisoned) is Reason.INTERNAL
    versions = [intent_of(result).version for result in results]
    assert versions == [1, 2, 1, 2, 3, 3, 4, 5, 4, 5]
    assert len(_intent_ids(database, till)) == 2
    assert_books_right(database.owner_url)


def test_the_key_of_a_command_that_failed_is_free(database: Database, till: Till) -> None:
    [failed] = one_batch(database.application_url, [_poison(till)])
    assert _reason(failed) is Reason.INTERNAL
    [created] = one_batch(database.application_url, [till.create(7, "poison")])
    assert isinstance(created, Applied)


def test_a_listener_that_fails_changes_no_answer(database: Database, till: Till) -> None:
    heard: list[Changes] = []

    def listen(changes: Changes) -> None:
        heard.append(changes)
        raise RuntimeError("no cache")

    pipeline = Committer(database.application_url, lease=LEASE, key_ttl=KEY_TTL, on_commit=listen)
    pipeline.start()
    created = intent_of(pipeline.commit(till.create(), None))
    pipeline.close()
    assert [created.id] == [intent_id for changes in heard for _, intent_id in changes.intents]


def test_a_command_whose_deadline_passed_in_line_is_not_executed(database: Database, till: Till) -> None:
    pipeline = committer(database.application_url)
    in_time = pipeline.submit(till.create(), time.monotonic() + WAIT_S)
    late = pipeline.submit(till.create(), time.monotonic() + 0.01)
    time.sleep(0.02)
    pipeline.start()
    pipeline.close()
    assert _reason(late.result.result(0)) is Reason.DEADLINE_EXCEEDED
    assert _intent_ids(database, till) == {intent_of(in_time.result.result(0)).id}


def test_whoever_waits_is_told_when_time_is_up(database: Database, till: Till) -> None:
    pipeline = committer(database.application_url)
    with pytest.raises(PayFlowError) as caught:
        pipeline.commit(till.create(), time.monotonic() + 0.05)
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    pipeline.start()
    pipeline.close()
    assert _intent_ids(database, till) == set()


def test_a_full_line_refuses_callers_but_lets_outcomes_in(database: Database, till: Till) -> None:
    started = one_batch(database.application_url, _payment(till, "outcome")[:2])
    pipeline = committer(database.application_url, CommitLimits(waiting_max=3))
    waiting = [pipeline.submit(till.create(), None) for _ in range(3)]
    with pytest.raises(PayFlowError) as caught:
        pipeline.submit(till.create(), None)
    assert caught.value.reason is Reason.OVERLOADED
    assert caught.value.retry_after_s is not None and 0 < caught.value.retry_after_s <= 1
    outcome = pipeline.submit(till.outcome(attempt_of(started[1])), None, always=True)
    pipeline.start()
    assert all(isinstance(one.result.result(WAIT_S), Applied) for one in waiting)
    assert intent_of(outcome.result.result(WAIT_S)).status == "AUTHORIZED"
    pipeline.close()


def test_closing_commits_what_is_in_line_and_lets_nothing_more_in(database: Database, till: Till) -> None:
    pipeline = committer(database.application_url, CommitLimits(batch_max=10))
    waiting = [pipeline.submit(till.create(), None) for _ in range(35)]
    pipeline.start()
    pipeline.close()
    assert {intent_of(one.result.result(0)).id for one in waiting} == _intent_ids(database, till)
    with pytest.raises(PayFlowError) as caught:
        pipeline.commit(till.create(), None)
    assert caught.value.reason is Reason.OVERLOADED
