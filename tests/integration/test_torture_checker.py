"""The torture's checker on a small history by hand: right as it is, wrong in every way that is made wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest

from tests.services import PostgresServer
from tests.torture import small_history
from tests.torture.checker import NO_ORDER, violations
from tests.torture.checks_of_answers import ANSWERS
from tests.torture.checks_of_books import BOOKS
from tests.torture.checks_of_refusals import NO_REASON, REFUSALS

# One statement that makes something wrong, and what has to be found; more may be.
WRONG: list[tuple[LiteralString, str]] = [
    (
        "UPDATE stored_entries SET amount = 21 WHERE transaction_id = 't4' AND account = 'm/cash'",
        "a transaction does not sum to zero",
    ),
    (
        "UPDATE stored_entries SET version = 6 WHERE version = 5",
        "an account's versions are not 1, 2, 3, and so on",
    ),
    (
        "UPDATE stored_entries SET version = 4 WHERE version = 5",
        "an account's versions are not 1, 2, 3, and so on",
    ),
    ("UPDATE stored_entries SET posted = posted + 1 WHERE version = 3", "sums do not follow the amounts"),
    ("UPDATE stored_entries SET debits = 0 WHERE version = 2", "sums do not follow the amounts"),
    ("UPDATE stored_entries SET recorded_us = 1 WHERE version = 5", "recorded times fall"),
    ("UPDATE stored_balances SET posted = posted - 1", "a balance is not its account's last entry"),
    ("DELETE FROM stored_balances WHERE account = 'm/owed'", "a balance is not its account's last entry"),
    ("UPDATE stored_balances SET posted = 1", "a book is out of balance"),
    (
        "UPDATE stored_entries SET posted = 1 WHERE account = 'm/owed' AND version = 5",
        "an account is below zero",
    ),
    (
        "UPDATE stored_entries SET currency = 'EUR' WHERE version = 1",
        "an entry is not in its account's currency",
    ),
    ("UPDATE stored_transactions SET entry_count = 3 WHERE id = 't4'", "a transaction is not whole"),
    ("UPDATE stored_transactions SET recorded_us = 1 WHERE id = 't1'", "a transaction is not whole"),
    ("UPDATE stored_transactions SET reference = 'm/first'", "something is there twice"),
    ("UPDATE stored_transactions SET mark = 1 WHERE id = 't2'", "something is there twice"),
    ("UPDATE stored_transactions SET resolves = 't2' WHERE id = 't4'", "something is there twice"),
    ("UPDATE stored_transactions SET reverses = 't3' WHERE id = 't1'", "something is there twice"),
    ("UPDATE stored_entries SET amount = sign(amount) * 29 WHERE releases", "a hold is not taken back whole"),
    ("UPDATE stored_transactions SET status = 'PENDING' WHERE id = 't2'", "a status does not fit"),
    ("UPDATE stored_transactions SET status = 'RESOLVED' WHERE id = 't1'", "a status does not fit"),
    (
        "UPDATE stored_entries SET amount = sign(amount) * 19 WHERE transaction_id = 't4'",
        "a reversal is not exact",
    ),
    (
        "UPDATE acknowledged SET transaction_id = 't9' WHERE node = 4",
        "acknowledged, but not there",
    ),
    ("DELETE FROM acknowledged WHERE node = 4", "there, but never acknowledged"),
    ("UPDATE acknowledged SET recorded_us = 1 WHERE node = 4", "another transaction than acknowledged"),
    ("UPDATE seen_entries SET layer_sum = layer_sum + 1", "other entries than answered"),
    ("UPDATE seen_entries SET available = 0 WHERE node = 1", "other entries than answered"),
    ("UPDATE seen_entries SET transaction_id = 't1' WHERE node = 23", "other entries than answered"),
    ("DELETE FROM seen_entries WHERE node = 3 AND position = 4", "entries missing from an answer"),
    ("DELETE FROM seen_entries WHERE node = 24", "entries missing from an answer"),
    ("UPDATE asks SET target = 't1' WHERE node = 4", "another transaction than asked for"),
    ("UPDATE asks SET kind = 'post' WHERE node = 2", "another transaction than asked for"),
    ("UPDATE asked_entries SET amount = amount * 2 WHERE node = 1", "other entries than asked for"),
    ("UPDATE asked_entries SET account = 'm/cash' WHERE node = 1", "other entries than asked for"),
    ("UPDATE asks SET amount = 19 WHERE node = 3", "a hold posted otherwise than asked for"),
    ("UPDATE asks SET amount = NULL WHERE node = 3", "a hold posted otherwise than asked for"),
    ("UPDATE asks SET kind = 'void' WHERE node = 3", "a hold posted otherwise than asked for"),
    ("UPDATE calls SET answer = 'else' WHERE call = 11", "one key, two answers"),
    ("UPDATE calls SET asked = 'else' WHERE call = 11", "one key, two answers"),
    ("UPDATE calls SET key = 'm/key2' WHERE call = 1", "one key, two answers"),
    ("UPDATE expected_versions SET version = 0 WHERE node = 2", "posted at another version than expected"),
    ("UPDATE reads SET reason = 'NOT_FOUND' WHERE node = 22", "a read was refused"),
    ("UPDATE seen_balances SET posted = -99 WHERE node = 21", "a balance that was not"),
    ("UPDATE seen_balances SET version = 7 WHERE node = 21", "a balance that was not"),
    ("UPDATE seen_balances SET stated_us = 1 WHERE node = 21", "a balance that was not"),
    ("UPDATE seen_balances SET as_of_us = 500, stated_us = 500 WHERE node = 22", "a balance that was not"),
    ("DELETE FROM seen_entries WHERE node = 23 AND version = 5", "a page with gaps"),
    ("UPDATE seen_totals SET debits = 99, difference = -1", "a trial balance that differs"),
    ("UPDATE asks SET reason = 'INTERNAL' WHERE node = 5", NO_REASON),
    (
        "UPDATE asked_entries SET amount = 1 WHERE node = 9 AND amount = 2",
        "refused as unbalanced, but balanced",
    ),
    ("UPDATE asks SET reason = 'CURRENCY_MISMATCH' WHERE node = 5", "refused for a currency that is right"),
    ("UPDATE asks SET reason = 'NOT_FOUND' WHERE node IN (5, 8)", "not found, but there"),
    ("UPDATE asks SET reason = 'VALIDATION_FAILED' WHERE node IN (5, 8)", "refused as invalid, but valid"),
    ("UPDATE asks SET number = -399 WHERE node = 5", "refused for a balance that sufficed"),
    ("UPDATE asks SET named = 'm/cash' WHERE node = 5", "refused for a balance that sufficed"),
    ("UPDATE asks SET number = -430, answered = 5 WHERE node = 5", "refused for a balance that sufficed"),
    ("UPDATE asks SET number = 1 WHERE node = 6", "refused for a version that was as expected"),
    ("UPDATE asks SET named = 't2' WHERE node = 7", "refused for a reference that was free"),
    ("UPDATE asks SET kind = 'reverse', target = 't1' WHERE node = 8", "refused in a state that allows it"),
    ("UPDATE asks SET target = 't9' WHERE node = 8", "refused in a state that allows it"),
    ("UPDATE calls SET key = 'm/new' WHERE call = 10", "refused for a key that was not used before"),
    # Seen too late, or too early.
    ("UPDATE reads SET invoked = 3.6, answered = 3.9 WHERE node = 21", NO_ORDER),
    ("UPDATE reads SET invoked = 1.6, answered = 1.9 WHERE node = 21", NO_ORDER),
    ("UPDATE reads SET invoked = 4.1, answered = 3.9 WHERE node = 23", NO_ORDER),
    ("UPDATE reads SET invoked = 2.6, answered = 2.9 WHERE node = 24", NO_ORDER),
    ("UPDATE seen_transactions SET resolved_by = ''", NO_ORDER),
    ("UPDATE asks SET invoked = 2.1, answered = 2.2 WHERE node = 3", NO_ORDER),
    ("UPDATE asks SET invoked = 2.6, answered = 2.9 WHERE node = 8", NO_ORDER),
    ("UPDATE asks SET invoked = 0.1, answered = 0.2 WHERE node = 7", NO_ORDER),
    ("UPDATE asks SET number = 4 WHERE node = 6", NO_ORDER),
    ("UPDATE asks SET call = 1, item = 2 - node WHERE node <= 2", NO_ORDER),
]


@pytest.fixture(scope="module")
def written(postgres: PostgresServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.url()) as connection:
        small_history.write(connection)
        yield connection
        connection.rollback()


@pytest.fixture
def connection(written: psycopg.Connection) -> Iterator[psycopg.Connection]:
    with written.transaction(force_rollback=True):
        yield written


def test_a_right_history_has_nothing_wrong(connection: psycopg.Connection) -> None:
    assert violations(connection) == []


@pytest.mark.parametrize(("statement", "check"), WRONG)
def test_what_is_wrong_is_found(connection: psycopg.Connection, statement: LiteralString, check: str) -> None:
    assert connection.execute(statement).rowcount > 0
    assert check in [one.check for one in violations(connection)]


def test_every_check_finds_something_here() -> None:
    assert {check for _, check in WRONG} == {*BOOKS, *ANSWERS, *REFUSALS, NO_ORDER}


def test_a_key_that_is_sent_again_much_later_tells_what_was_so_then(connection: psycopg.Connection) -> None:
    connection.execute(
        """
        INSERT INTO asks SELECT 12, 11, item, kind, mark, reference, target, amount, 11, 11.5, '', '', NULL
        FROM asks WHERE node = 1;
        INSERT INTO acknowledged SELECT 12, transaction_id, status, mark, reference, resolves, reverses,
            recorded_us FROM acknowledged WHERE node = 1;
        INSERT INTO asked_entries SELECT 12, position, account, amount, currency
        FROM asked_entries WHERE node = 1;
        INSERT INTO seen_entries SELECT 12, transaction_id, position, account, layer, amount, currency,
            releases, version, posted, debits, credits, layer_sum, available, recorded_us
        FROM seen_entries WHERE node = 1;
        """
    )
    assert violations(connection) == []


def test_a_past_instant_may_be_read_at_any_later_time(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE reads SET invoked = 1.6, answered = 1.9 WHERE node = 22")
    assert violations(connection) == []
