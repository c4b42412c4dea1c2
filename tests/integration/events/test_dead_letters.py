"""What could not be applied waits in its aggregate's order, and nothing is left waiting for nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from datetime import timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from payflow.domain.dead_letter import ERROR_CHARACTERS_MAX, DeadLetter, DeadLetterState, Letter
from payflow.domain.ids import BUCKETS, bucket_of
from payflow.store.consumers import dead_letters_reader
from payflow.store.consumers.dead_letters import (
    append,
    held_back,
    park,
    park_again,
    remove,
    take,
    to_retry,
)
from payflow.store.dead_letter_rows import view
from tests.databases import Database
from tests.dead_letters import CONSUMER, NOW, ask_for_retry, connected, given_up, key, letter
from tests.waiting import WAIT_S, wait_until

PARKED, WAITING, RETRYING = DeadLetterState.PARKED, DeadLetterState.WAITING, DeadLetterState.RETRYING
EVERY_BUCKET = range(BUCKETS)
ALL = 100

_numbers = count(1)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection[dict[str, Any]]]:
    with connected(database.application_url) as one:
        yield one


@pytest.fixture
def aggregate() -> str:
    return f"pi_{next(_numbers)}"


def _states(connection: Connection[dict[str, Any]], aggregate_id: str) -> list[tuple[int, str]]:
    found = connection.execute(
        "SELECT aggregate_version, state FROM dead_letters WHERE aggregate_id = %s ORDER BY 1", [aggregate_id]
    )
    return [(row["aggregate_version"], row["state"]) for row in found]


def _parked_with_two_behind(connection: Connection[dict[str, Any]], aggregate_id: str) -> list[Letter]:
    letters = [letter(version, aggregate_id) for version in (3, 4, 5)]
    park(connection, CONSUMER, [given_up(letters[0])], NOW)
    append(connection, CONSUMER, letters[1:], NOW)
    connection.commit()
    return letters


def _ask(connection: Connection[dict[str, Any]], aggregate_id: str) -> None:
    ask_for_retry(connection, key(3, aggregate_id))
    connection.commit()


def _found(connection: Connection[dict[str, Any]], aggregate_id: str, version: int = 3) -> DeadLetter:
    wanted = astuple(key(version, aggregate_id))
    row = connection.execute(dead_letters_reader.ONE.encode(), wanted).fetchone()
    assert row is not None
    return view(row).dead_letter


def test_what_comes_behind_a_parked_event_waits_and_other_aggregates_and_consumers_do_not(
    connection: Connection[dict[str, Any]], aggregate: str
) -> None:
    _parked_with_two_behind(connection, aggregate)
    here, other = ("shop_1", aggregate), ("shop_1", f"{aggregate}0")
    assert held_back(connection, CONSUMER, [here, other, here]).keys() == {here}
    assert held_back(connection, "fulfilment", [here]) == {}
    assert held_back(connection, CONSUMER, []) == {}
    assert _states(connection, aggregate) == [(3, PARKED), (4, WAITING), (5, WAITING)]


def test_an_event_that_is_delivered_again_changes_nothing(
    connection: Connection[dict[str, Any]], aggregate: str
) -> None:
    letters = _parked_with_two_behind(connection, aggregate)
    park(connection, CONSUMER, [given_up(letters[0], "another error", 9)], NOW + timedelta(hours=1))
    append(connection, CONSUMER, letters, NOW + timedelta(hours=1))
    assert _states(connection, aggregate) == [(3, PARKED), (4, WAITING), (5, WAITING)]
    found = _found(connection, aggregate)
    assert (found.letter, found.error, found.tries, found.parked_at) == (
        letters[0],
        "no such customer",
        5,
        NOW,
    )


def test_of_a_long_error_the_beginning_is_kept(
    connection: Connection[dict[str, Any]], aggregate: str
) -> None:
    park(connection, CONSUMER, [given_up(letter(3, aggregate), "\0\ud800" + "x" * 5_000)], NOW)
    found = _found(connection, aggregate)
    assert found.error == "?" + "x" * (ERROR_CHARACTERS_MAX - 1)


def test_nothing_is_tried_again_until_an_operator_asks_and_then_all_of_it_in_order(
    connection: Connection[dict[str, Any]], aggregate: str
) -> None:
    letters = _parked_with_two_behind(connection, aggregate)
    here = ("shop_1", aggregate)
    assert here not in to_retry(connection, CONSUMER, EVERY_BUCKET, ALL)
    assert take(connection, CONSUMER, here, ALL) == []
    _ask(connection, aggregate)
    assert here in to_retry(connection, CONSUMER, EVERY_BUCKET, ALL)
    own = bucket_of("shop_1")
    assert here in to_retry(connection, CONSUMER, range(own, own + 1), ALL)
    assert here not in to_retry(connection, CONSUMER, range(own + 1, BUCKETS), ALL)
    assert len(to_retry(connection, CONSUMER, EVERY_BUCKET, 1)) == 1
    assert to_retry(connection, "fulfilment", EVERY_BUCKET, ALL) == []
    taken = take(connection, CONSUMER, here, 2)
    assert [one.letter for one in taken] == letters[:2]
    assert {one.state for one in taken} == {RETRYING}
    remove(connection, taken)
    assert [one.letter for one in take(connection, CONSUMER, here, ALL)] == letters[2:]
    remove(connection, take(connection, CONSUMER, here, ALL))
    assert held_back(connection, CONSUMER, [here]) == {}


def test_what_fails_again_is_parked_again_and_the_others_wait_behind_it(
    connection: Connection[dict[str, Any]], aggregate: str
) -> None:
    _parked_with_two_behind(connection, aggregate)
    _ask(connection, aggregate)
    first, second, _ = take(connection, CONSUMER, ("shop_1", aggregate), ALL)
    remove(connection, [first])
    later = NOW + timedelta(hours=1)
    park_again(connection, second, "still no such customer", 2, later)
    assert _states(connection, aggregate) == [(4, PARKED), (5, WAITING)]
    found = _found(connection, aggregate, 4)
    assert (found.error, found.tries, found.parked_at) == ("still no such customer", 2, later)


def test_what_comes_while_its_aggregate_is_tried_again_is_tried_with_it(
    connection: Connection[dict[str, Any]], aggregate: str
) -> None:
    _parked_with_two_behind(connection, aggregate)
    _ask(connection, aggregate)
    append(connection, CONSUMER, [letter(6, aggregate)], NOW)
    assert _states(connection, aggregate)[-1] == (6, RETRYING)


@pytest.mark.parametrize("change", ["retry", "removal", "parking"])
def test_nothing_is_left_waiting_for_nothing_whichever_of_two_is_first(
    database: Database, connection: Connection[dict[str, Any]], aggregate: str, change: str
) -> None:
    """What is appended while its head changes, in the order in which the two take the head."""
    for appends_first in (True, False):
        one = f"{aggregate}_{appends_first}"
        _parked_with_two_behind(connection, one)
        head = _found(connection, one)
        connection.commit()
        if change != "retry":
            _ask(connection, one)

        def change_head(own: Connection[dict[str, Any]], one: str = one, head: DeadLetter = head) -> None:
            if change == "retry":
                ask_for_retry(own, head.key)
            elif change == "removal":
                remove(own, take(own, CONSUMER, ("shop_1", one), 3))
            else:
                park_again(own, head, "again", 1, NOW)

        def append_one(own: Connection[dict[str, Any]], one: str = one) -> None:
            append(own, CONSUMER, [letter(6, one)], NOW)

        first, second = (append_one, change_head) if appends_first else (change_head, append_one)
        with connected(database.application_url) as own, connected(database.application_url) as others:
            first(own)
            with ThreadPoolExecutor(1) as executor:
                waiting = executor.submit(second, others)
                _wait_for_lock(database, others.info.backend_pid)
                own.commit()
                waiting.result(WAIT_S)
            others.commit()
        states = dict(_states(connection, one))
        connection.commit()
        expected = WAITING if change == "parking" else RETRYING
        assert states[6] == expected, (appends_first, states)


def _wait_for_lock(database: Database, pid: int) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as looking:
        wait_until(
            lambda: (
                looking.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [pid]).fetchone() == (True,)
            )
        )


def test_a_serializable_removal_that_has_not_seen_what_was_appended_begins_again(
    database: Database, connection: Connection[dict[str, Any]], aggregate: str
) -> None:
    _parked_with_two_behind(connection, aggregate)
    with connected(database.application_url) as removing:
        removing.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        parked = _found(removing, aggregate)
        append(connection, CONSUMER, [letter(6, aggregate)], NOW)
        connection.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            remove(removing, [parked])


def test_two_that_append_and_retry_at_once_lose_nothing_and_keep_the_order(
    database: Database, connection: Connection[dict[str, Any]], aggregate: str
) -> None:
    events = 200
    park(connection, CONSUMER, [given_up(letter(1, aggregate))], NOW)
    connection.commit()
    applied: list[int] = []
    appended = threading.Event()
    here = ("shop_1", aggregate)

    def deliver() -> None:
        with connected(database.application_url) as own:
            for version in range(2, events + 1):
                # Behind a retry that took everything, the consumer itself would apply the next event.
                append(own, CONSUMER, [letter(version, aggregate)], NOW)
                own.commit()
        appended.set()

    def retry() -> None:
        with connected(database.application_url) as own:
            while not appended.is_set() or held_back(own, CONSUMER, [here]):
                own.commit()
                for found in own.execute(
                    "SELECT aggregate_version FROM dead_letters WHERE aggregate_id = %s AND state = 'PARKED'",
                    [aggregate],
                ).fetchall():
                    ask_for_retry(own, key(found["aggregate_version"], aggregate))
                own.commit()
                taken = take(own, CONSUMER, here, 3)
                if len(taken) == 3:
                    remove(own, taken[:2])
                    park_again(own, taken[2], "again", 1, NOW)
                    taken = taken[:2]
                else:
                    remove(own, taken)
                own.commit()
                applied.extend(one.letter.aggregate_version for one in taken)

    with ThreadPoolExecutor(2) as executor:
        for run in [executor.submit(deliver), executor.submit(retry)]:
            run.result(WAIT_S)
    assert applied == list(range(1, events + 1))
