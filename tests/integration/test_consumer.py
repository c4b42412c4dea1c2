"""A consumer applies every event once and in order, and what it cannot apply holds up nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import psycopg
import pytest
from prometheus_client import Counter, Gauge
from psycopg.rows import dict_row

from payflow.events.consumer import Consumer, ConsumerLimits
from payflow.events.consumer.applying import Handler
from payflow.events.consumer.metrics import APPLIED, DUPLICATES, FOREIGN, GAPS, LAG_S, PARKED
from payflow.events.consumer.source import Message, Source
from tests.databases import Database
from tests.effects import HAPPENED_AT, Effects, Shelf, create_effects, drain, effects_of, event, message
from tests.services import PostgresServer
from tests.stopping import SetByHandlers
from tests.waiting import WAIT_S

LIMITS = ConsumerLimits(wait_s=0, tries_max=3, pause_first_s=0, pause_max_s=0, retries_every_s=0)
CLOSE_DATABASE = "ALTER DATABASE {} ALLOW_CONNECTIONS {}"
END_CONNECTIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
LETTERS = "SELECT aggregate_version, state, tries FROM dead_letters WHERE consumer = %s ORDER BY 1"


@pytest.fixture(scope="module", autouse=True)
def effects_table(database: Database) -> None:
    create_effects(database.owner_url)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A consumer of the test's own."""
    return str(request.node.name).replace("_", "-")[:60].rstrip("-")


@pytest.fixture
def consumer(database: Database, name: str) -> Iterator[Callable[..., Consumer]]:
    made = []

    def make(source: Source, handler: Handler, limits: ConsumerLimits = LIMITS) -> Consumer:
        now = HAPPENED_AT + timedelta(seconds=90)
        made.append(Consumer(name, source, handler, database.application_url, limits=limits, now=lambda: now))
        return made[-1]

    yield make
    for one in made:
        one.close()


def letters(database: Database, name: str) -> list[tuple[int, str, int]]:
    with psycopg.connect(database.owner_url) as connection:
        return connection.execute(LETTERS, [name]).fetchall()


def ask_for_retry(database: Database, name: str, aggregate_id: str) -> None:
    with psycopg.connect(database.application_url, row_factory=dict_row) as connection:
        connection.execute(
            "UPDATE dead_letters SET state = 'RETRYING' WHERE consumer = %s AND aggregate_id = %s",
            [name, aggregate_id],
        )


def counted(name: str, metric: Counter | Gauge) -> float:
    [family] = metric.collect()
    found = (one.value for one in family.samples if one.labels == {"consumer": name})
    return next(found, 0)


def test_what_comes_again_has_no_second_effect(
    database: Database, name: str, consumer: Callable[..., Consumer]
) -> None:
    shelf = Shelf()
    shelf.put(*(event(f"pi_{n % 7}", n // 7 + 1) for n in range(70)))
    drain(consumer(shelf, Effects(name), ConsumerLimits(batch_max=16, wait_s=0)))
    shelf.begin_at(0)
    drain(consumer(shelf, Effects(name)))
    assert effects_of(database.owner_url, name) == {f"pi_{n}": list(range(1, 11)) for n in range(7)}
    assert shelf.committed == 70
    assert (counted(name, APPLIED), counted(name, DUPLICATES)) == (70, 70)
    assert (counted(name, GAPS), counted(name, LAG_S)) == (0, 90)


def test_the_same_event_twice_in_one_batch_has_one_effect(
    database: Database, name: str, consumer: Callable[..., Consumer]
) -> None:
    shelf = Shelf()
    shelf.put(event("pi_1", 1), event("pi_1", 2), event("pi_1", 1), event("pi_1", 2), event("pi_1", 3))
    drain(consumer(shelf, Effects(name)))
    assert effects_of(database.owner_url, name) == {"pi_1": [1, 2, 3]}


def test_what_comes_again_behind_newer_events_changes_nothing(
    database: Database, name: str, consumer: Callable[..., Consumer]
) -> None:
    shelf = Shelf()
    shelf.put(*(event("pi_1", version) for version in (1, 2, 3, 1, 2, 3, 4, 2)))
    drain(consumer(shelf, Effects(name), ConsumerLimits(batch_max=1, wait_s=0)))
    assert effects_of(database.owner_url, name) == {"pi_1": [1, 2, 3, 4]}


def test_a_gap_is_counted_and_accepted(
    database: Database, name: str, consumer: Callable[..., Consumer]
) -> None:
    shelf = Shelf()
    shelf.put(event("pi_1", 4), event("pi_1", 5), event("pi_1", 7))
    drain(consumer(shelf, Effects(name)))
    assert effects_of(database.owner_url, name) == {"pi_1": [4, 5, 7]}
    assert counted(name, GAPS) == 2


def test_messages_of_others_are_counted_and_passed_over(
    database: Database, name: str, consumer: Callable[..., Consumer]
) -> None:
    shelf = Shelf()
    odd = message(event("pi_1", 9))
    shelf.log = [
        Message({}, b"hello"),
        Message({**odd.headers, "ce_aggregateversion": "nine"}, b"{}"),
        Message({**odd.headers, "ce_aggregateid": "pi_" * 10_000}, b"{}"),
        Message({**odd.headers, "ce_actor": "\0"}, b"{}"),
        message(event("pi_1", 1)),
    ]
    drain(consumer(shelf, Effects(name)))
    assert effects_of(database.owner_url, name) == {"pi_1": [1]}
    assert counted(name, FOREIGN) == 4
    assert shelf.committed == 5


def test_poison_holds_up_its_aggregate_alone_until_it_is_mended(
    database: Database, name: str, consumer: Callable[..., Consumer]
) -> None:
    shelf, effects = Shelf(), Effects(name, poison={"pi_1:2"})
    shelf.put(*(event(f"pi_{n % 3}", n // 3 + 1) for n in range(12)))
    worker = consumer(shelf, effects)
    drain(worker)
    expected = {"pi_0": [1, 2, 3, 4], "pi_1": [1], "pi_2": [1, 2, 3, 4]}
    assert effects_of(database.owner_url, name) == expected
    assert letters(database, name) == [(2, "PARKED", 3), (3, "WAITING", 0), (4, "WAITING", 0)]
    assert counted(name, PARKED) == 1
    assert shelf.committed == 12

    shelf.put(event("pi_1", 5))
    shelf.begin_at(0)
    drain(worker)
    assert [version for version, _, _ in letters(database, name)] == [2, 3, 4, 5]

    ask_for_retry(database, name, "pi_1")
    drain(worker)
    assert letters(database, name)[0] == (2, "PARKED", 6)
    assert effects_of(database.owner_url, name) == expected

    effects.poison = ()
    ask_for_retry(database, name, "pi_1")
    drain(worker)
    assert letters(database, name) == []
    assert effects_of(database.owner_url, name)["pi_1"] == [1, 2, 3, 4, 5]


def test_members_that_race_apply_everything_once(
    database: Database, name: str, consumer: Callable[..., Consumer]
) -> None:
    events = [event(f"pi_{n % 20}", n // 20 + 1) for n in range(400)]
    workers = []
    for size in (7, 16, 33):
        shelf = Shelf()
        shelf.put(*events)
        workers.append(consumer(shelf, Effects(name), ConsumerLimits(batch_max=size, wait_s=0)))

    def take_all(worker: Consumer, shelf_is_empty: Callable[[], bool]) -> None:
        while not shelf_is_empty():
            worker.work()

    threads = [
        threading.Thread(target=take_all, args=(worker, partial(_is_read, worker))) for worker in workers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert effects_of(database.owner_url, name) == {f"pi_{n}": list(range(1, 21)) for n in range(20)}
    assert counted(name, APPLIED) == 400
    assert letters(database, name) == []


def _is_read(worker: Consumer) -> bool:
    shelf = worker._source
    assert isinstance(shelf, Shelf)
    return shelf.committed == len(shelf.log)


def test_what_the_database_keeps_from_being_settled_waits_for_it(
    database: Database, postgres: PostgresServer, name: str, consumer: Callable[..., Consumer]
) -> None:
    shelf = Shelf()
    shelf.put(event("pi_1", 1), event("pi_2", 1))
    worker = consumer(shelf, Effects(name))
    drain(worker)
    shelf.put(event("pi_1", 2), event("pi_2", 2))
    database_name = str(psycopg.conninfo.conninfo_to_dict(database.owner_url)["dbname"])
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(CLOSE_DATABASE.format(database_name, "false").encode())
        connection.execute(END_CONNECTIONS, [database_name])
        assert [worker.work() for _ in range(3)] == [0, 0, 0]
        connection.execute(CLOSE_DATABASE.format(database_name, "true").encode())
    drain(worker)
    assert effects_of(database.owner_url, name) == {"pi_1": [1, 2], "pi_2": [1, 2]}
    assert letters(database, name) == []
    assert shelf.committed == 4


def test_a_signal_ends_it_whenever_it_comes(consumer: Callable[..., Consumer], name: str) -> None:
    stop = SetByHandlers()

    class Ending(Shelf):
        def poll(self, batch_max: int, wait_s: float) -> list[Message]:
            stop.set()
            return []

    shelf = Ending()
    consumer(shelf, Effects(name)).run(stop)
    assert shelf.is_closed


def test_a_name_that_dead_letters_cannot_bear_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="name 'Billing'"):
        Consumer("Billing", Shelf(), Effects("x"), database.application_url)
