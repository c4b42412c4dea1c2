"""The consumer that docs/events.md builds, taken from the page and run in a database of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from payflow.events.cloud_event import headers_of
from payflow.events.published_event import PublishedEvent
from tests.databases import make_copy
from tests.effects import event
from tests.services import PostgresServer
from tests.waiting import WAIT_S, wait_until

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
LINES_MAX = 60
STREAM = "guide.events"
SHIPMENTS = "SELECT payment_intent_id, paid, state FROM shipments ORDER BY 1"
LETTERS = "SELECT aggregate_version, state, tries FROM dead_letters ORDER BY 1"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def tables() -> Iterator[str]:
    """Those statements of the migrations that the page names."""
    for migration, table in (("0011_dead_letters", "dead_letters"), ("0012_consumers", "inbox")):
        text = (files("migrations") / f"{migration}.up.sql").read_text()
        yield from re.findall(
            rf"^CREATE (?:TABLE {table} |(?:UNIQUE )?INDEX \w+ ON {table} ).*?;$",
            text,
            re.DOTALL | re.MULTILINE,
        )


def happened(intent_id: str, version: int, event_type: str, **data: object) -> PublishedEvent:
    return replace(event(intent_id, version), type=event_type, data=json.dumps(data).encode())


@pytest.fixture(scope="module")
def shipping_url(postgres: PostgresServer) -> str:
    """A database that nothing of PayFlow's is in but the two tables."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        make_copy(connection, "template1", "shipping")
    url = postgres.url("shipping")
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (*tables(), blocks("sql")[0]):
            connection.execute(statement.encode())
    return url


def test_it_is_short() -> None:
    assert len(blocks("python")[0].splitlines()) < LINES_MAX


def test_it_ships_what_was_paid_for(shipping_url: str, valkey_url: str, tmp_path: Path) -> None:
    program = tmp_path / "shipping.py"
    program.write_text(blocks("python")[0])
    captured, refunded = "payment_intent.captured", "refund.succeeded"
    events = [
        happened("pi_1", 1, "payment_intent.created", amount=700),
        happened("pi_1", 2, captured, captured_amount=700),
        happened("pi_2", 1, captured, captured_amount=900),
        happened("pi_1", 2, captured, captured_amount=700),
        happened("pi_3", 1, captured),
        happened("pi_3", 2, refunded),
        happened("pi_2", 2, refunded, amount=900),
    ]
    with redis.Redis.from_url(valkey_url) as stream:
        for one in events:
            stream.xadd(STREAM, {**headers_of(one), "value": one.data})
    environment = os.environ | {
        "REDIS_URL": valkey_url,
        "KAFKA_TOPIC_PAYMENTS": STREAM,
        "SHIPPING_DATABASE_URL": shipping_url,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    environment.pop("KAFKA_BROKERS", None)
    process = subprocess.Popen([sys.executable, str(program)], env=environment)
    try:
        with psycopg.connect(shipping_url, autocommit=True) as connection:

            def found(query: str) -> list[Any]:
                return connection.execute(query.encode()).fetchall()

            wait_until(lambda: found(LETTERS) == [(1, "PARKED", 5), (2, "WAITING", 0)])
            wait_until(lambda: found(SHIPMENTS) == [("pi_1", 700, "READY"), ("pi_2", 900, "STOPPED")])
            connection.execute(blocks("sql")[1].replace("pi_…", "pi_3").encode())
            wait_until(lambda: found(LETTERS) == [(1, "PARKED", 10), (2, "WAITING", 0)])
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()
        process.wait(WAIT_S)


def test_older_layouts_are_brought_to_the_newest() -> None:
    module: dict[str, Any] = {"json": json, "PublishedEvent": PublishedEvent}
    exec(compile(blocks("python")[1], "docs/events.md", "exec"), module)
    captured = happened("pi_1", 2, "payment_intent.captured", captured_amount=700)
    assert module["upcast"](captured) == {"captured_amount": 700, "currency": "USD"}
    with pytest.raises(ValueError, match="has version 3"):
        module["upcast"](replace(captured, schema_version=3))
