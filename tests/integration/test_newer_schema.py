"""This release serves on the next one's schema: what is added to a table does not disturb it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from payflow.v1 import payment_intent_pb2 as pb
from tests.books import assert_books_right
from tests.databases import Database
from tests.in_process import InProcess, in_process

TABLES = (
    "merchants",
    "psp_accounts",
    "routing_rules",
    "routing_experiments",
    "payment_intents",
    "refunds",
    "psp_attempts",
    "events",
    "texts",
    "dead_letters",
    "idempotency_keys",
    "accounts",
    "transactions",
    "entries",
)


@pytest.fixture
def payflow(new_database: Callable[[], Database], tmp_path: Path) -> Iterator[InProcess]:
    with in_process(new_database(), tmp_path) as running:
        yield running


@pytest.mark.parametrize("column", ["next_release text", "next_release text NOT NULL DEFAULT ''"])
def test_a_column_may_be_added_under_way(payflow: InProcess, column: str) -> None:
    for _ in range(8):  # often enough that every statement is prepared
        intent_id = payflow.caller.captured().id
        payflow.caller.refund(intent_id, 10)
        payflow.caller.get(intent_id)
    with psycopg.connect(payflow.url, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}".encode())
    for _ in range(6):
        intent_id = payflow.caller.captured().id
        payflow.caller.refund(intent_id)
        assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_REFUNDED
    assert_books_right(payflow.url)
