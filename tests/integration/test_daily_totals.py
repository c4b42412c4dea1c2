"""The read model of daily totals says what payments, refunds and ledger say, however its events arrive."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.rows import dict_row

from payflow.domain.analytics.fold import FOLDED
from payflow.events.consumer import Consumer
from payflow.events.consumers.daily_totals import CONSUMER, add_up
from payflow.events.published_event import PublishedEvent
from payflow.events.replay.rebuilding_totals import rebuilt_totals
from payflow.store.replay.analytics_rebuild import AnalyticsRebuild
from server.cli.main import main
from tests.daily_totals import consume, expected, kept, published, unseen
from tests.databases import Database
from tests.effects import Shelf, drain
from tests.random_payments import RandomPayments
from tests.rebuilding import differences
from tests.submissions import Till, committer

MERCHANTS = 2
STEPS = 120
FROM = datetime(2030, 1, 1, 22, 30, tzinfo=UTC)
FORGET = "DELETE FROM inbox; DELETE FROM analytics_payments; DELETE FROM analytics_daily_totals"
TABLE = "analytics_daily_totals"
ALTER = """
    UPDATE analytics_daily_totals SET captured_amount = captured_amount + 1
    WHERE ctid = (SELECT ctid FROM analytics_daily_totals LIMIT 1)
"""
AS_OF = "SELECT merchant_id, as_of FROM analytics_freshness"


@pytest.fixture(scope="module")
def database(new_database: Callable[[], Database]) -> Database:
    made = new_database()
    pipeline = committer(made.application_url)
    pipeline.start()
    with psycopg.connect(made.owner_url, autocommit=True, row_factory=dict_row) as connection:
        for number in range(MERCHANTS):
            till = Till(f"counted-{number}", now=FROM)
            payments = RandomPayments(pipeline, till, random.Random(number), connection)
            payments.set_up()
            for _ in range(STEPS):
                payments.step()
    pipeline.close()
    return made


@pytest.fixture(scope="module")
def events(database: Database) -> list[PublishedEvent]:
    return published(database.owner_url)


@pytest.fixture(autouse=True)
def empty(database: Database) -> None:
    with psycopg.connect(database.application_url, autocommit=True) as connection:
        connection.execute(FORGET)


@pytest.mark.parametrize("batch_max", [17, 500])
def test_the_totals_are_those_of_payments_refunds_and_ledger(
    database: Database, events: list[PublishedEvent], batch_max: int
) -> None:
    shelf = Shelf()
    shelf.put(*events)
    consume(database, shelf, batch_max)
    found = kept(database.owner_url)
    assert found == expected(database.owner_url)
    assert not unseen(found)
    assert len({day for _, day, *_ in found}) > 1


def test_events_that_come_again_and_again_count_once(
    database: Database, events: list[PublishedEvent]
) -> None:
    shelf, chance = Shelf(), random.Random(5)
    position = 0
    while position < len(events):
        step = chance.randrange(1, 60)
        shelf.put(*events[max(0, position - chance.randrange(80)) : position + step])
        position += step
    consume(database, shelf, 40)
    assert kept(database.owner_url) == expected(database.owner_url)


def test_a_rebuild_adds_everything_up_anew_and_the_consumer_goes_on_behind_it(
    database: Database, events: list[PublishedEvent]
) -> None:
    shelf = Shelf()
    shelf.put(*events[len(events) // 2 :])
    consume(database, shelf)
    assert kept(database.owner_url) != expected(database.owner_url)
    environment = {"DATABASE_URL": database.application_url}
    result = CliRunner().invoke(main, ["analytics", "rebuild"], env=environment)
    assert result.exit_code == 0, result.output
    assert kept(database.owner_url) == expected(database.owner_url)
    shelf.begin_at(0)
    consume(database, shelf)
    assert kept(database.owner_url) == expected(database.owner_url)
    assert differences(database.application_url) == []


def test_a_batch_waits_for_a_rebuild(database: Database, events: list[PublishedEvent]) -> None:
    shelf = Shelf()
    shelf.put(*events)
    rebuild = AnalyticsRebuild(database.application_url, CONSUMER, FOLDED)
    worker = Consumer(CONSUMER, shelf, add_up, database.application_url)
    assert worker.work() == 0
    rebuild.fill(rebuilt_totals(rebuild.events()))
    rebuild.commit()
    rebuild.close()
    drain(worker)
    worker.close()
    assert kept(database.owner_url) == expected(database.owner_url)


def test_what_was_taken_so_far_is_what_a_replay_makes_of_it(
    database: Database, events: list[PublishedEvent]
) -> None:
    shelf = Shelf()
    shelf.put(*events[: len(events) // 2])
    consume(database, shelf)
    assert differences(database.application_url) == []
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(ALTER)
        [found] = differences(database.application_url)
        assert (found.table, [name for name, *_ in found.columns]) == (TABLE, ["captured_amount"])
        connection.execute(FORGET)
    assert differences(database.application_url) == []


def test_the_model_knows_how_fresh_it_is(database: Database, events: list[PublishedEvent]) -> None:
    shelf = Shelf()
    shelf.put(*events)
    consume(database, shelf)
    newest: dict[str, datetime] = {}
    for event in events:
        newest[event.merchant_id] = max(event.occurred_at, newest.get(event.merchant_id, event.occurred_at))
    with psycopg.connect(database.owner_url) as connection:
        assert dict(connection.execute(AS_OF).fetchall()) == newest
