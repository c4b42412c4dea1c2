"""Documents that are shared through a real Valkey, which may vanish, come back and lie."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from uuid import uuid4

import pytest
import redis

from payflow.store.redis import optional_redis, shared_documents
from payflow.store.redis.optional_redis import OptionalRedis
from payflow.store.redis.shared_documents import SharedDocuments
from tests.tallies import TALLIES, Tally
from tests.valkey import running_valkey
from tests.waiting import WAIT_S, wait_until

EXPIRY_S = 600.0
THREADS = 4
EACH = 200

Changes = list[tuple[str, Tally, Tally, bool]]


class Process:
    """As much of a process as shares documents."""

    def __init__(self, url: str, name: str) -> None:
        self.redis = OptionalRedis(url, THREADS)
        self.changes: Changes = []
        self.documents = SharedDocuments(self.redis, name, TALLIES, EXPIRY_S, self._note)

    def _note(self, key: str, before: Tally, after: Tally, ours: bool) -> None:
        if before != after:
            self.changes.append((key, before, after, ours))

    def close(self) -> None:
        self.documents.close()
        # Or it would connect again behind the end.
        self.documents._thread.join(WAIT_S)
        self.redis.close()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is not taken for a Valkey that is away."""
    monkeypatch.setattr(optional_redis, "TIMEOUT_S", WAIT_S)


@pytest.fixture
def name() -> str:
    return uuid4().hex


@pytest.fixture
def two(valkey_url: str, name: str) -> Iterator[tuple[Process, Process]]:
    first, second = Process(valkey_url, name), Process(valkey_url, name)
    yield first, second
    first.close()
    second.close()


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url, socket_timeout=WAIT_S) as one:
        yield one


def marked(tally: Tally) -> Tally:
    return replace(tally, marks=tally.marks + 1)


def first_ten(tally: Tally) -> Tally | None:
    return marked(tally) if tally.marks < 10 else None


def test_what_threads_of_two_processes_see_and_change_counts_once(two: tuple[Process, Process]) -> None:
    def work(number: int) -> None:
        documents = two[number % 2].documents
        for step in range(EACH):
            documents.observe("key", 1)
            if step % 10 == 0:
                while documents.update("key", marked) is None:
                    pass

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, range(THREADS)))
    everything = Tally(THREADS * EACH, THREADS * EACH // 10)
    wait_until(lambda: all(one.documents.view("key") == everything for one in two))
    steps = sorted((after.count, after.marks) for one in two for *_, after, ours in one.changes if ours)
    assert steps == sorted(set(steps)), "two changes were taken for one"


def test_no_more_are_let_in_than_a_change_allows(two: tuple[Process, Process]) -> None:
    def ask(number: int) -> bool:
        return two[number % 2].documents.update("key", first_ten) is not None

    with ThreadPoolExecutor(THREADS) as threads:
        assert sum(threads.map(ask, range(40))) == 10


def test_a_document_is_read_before_its_first_use_and_then_kept_up_to_date(
    two: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two
    monkeypatch.setattr(shared_documents, "FRESH_S", WAIT_S)
    assert first.documents.update("key", marked) == Tally(0, 1)
    assert second.documents.view("key") == Tally(0, 1)
    first.documents.observe("key", 5)
    assert first.documents.view("key") == Tally(5, 1)
    wait_until(lambda: second.documents.view("key") == Tally(5, 1))
    # A change is told of right behind the moment at which it can be seen.
    wait_until(lambda: len(second.changes) >= 2)
    assert [ours for *_, ours in second.changes] == [False, False]


@pytest.mark.parametrize("nonsense", [b"\xff", b"[]", b'{"count":"x"}', b"{" * 70_000, "a list", "gone"])
def test_what_makes_no_sense_is_passed_over_and_written_over(
    two: tuple[Process, Process], client: redis.Redis, name: str, nonsense: bytes | str
) -> None:
    first, second = two
    first.documents.observe("key", 3)
    wait_until(lambda: second.documents.view("key") == Tally(3))
    put(client, f"payflow:{name}:key", nonsense)
    wait_until(lambda: holds(client, f"payflow:{name}:key", b'{"count":3,"marks":0}', first))
    second.documents.observe("key", 1)
    wait_until(lambda: first.documents.view("key") == second.documents.view("key") == Tally(4))
    assert 0 < client.pttl(f"payflow:{name}:key") <= EXPIRY_S * 1000


def put(client: redis.Redis, key: str, nonsense: bytes | str) -> None:
    """At once: whoever saw that it was gone would write it again in between."""
    with client.pipeline() as pipeline:
        pipeline.delete(key)
        if nonsense == "a list":
            pipeline.rpush(key, "x")
        elif nonsense != "gone":
            pipeline.set(key, nonsense)
        pipeline.execute()


def holds(client: redis.Redis, key: str, value: bytes, user: Process) -> bool:
    user.documents.view("key")
    return client.type(key) == b"string" and client.get(key) == value


def test_each_goes_on_alone_while_valkey_is_away_and_they_merge_when_it_is_back(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optional_redis, "REST_S", 0.05)
    with ExitStack() as closing:
        server = closing.enter_context(running_valkey())
        first, second = (Process(server.connection_url, name) for _ in range(2))
        closing.callback(first.close)
        closing.callback(second.close)
        first.documents.observe("key", 1)
        wait_until(lambda: second.documents.view("key") == Tally(1))
        server.stop(WAIT_S)
        first.documents.observe("key", 2)
        assert first.documents.view("key") == Tally(3)
        assert second.documents.update("key", marked) == Tally(1, 1)
        wait_until(lambda: any(after == Tally(3) and ours for *_, after, ours in first.changes))
        assert first.documents.view("key") == Tally(3)
        server.start(WAIT_S)
        wait_until(lambda: all(one.documents.view("key") == Tally(3, 1) for one in (first, second)))


def test_without_redis_documents_live_in_the_process() -> None:
    changes: Changes = []
    documents = SharedDocuments(None, "alone", TALLIES, EXPIRY_S, lambda *one: changes.append(one))
    documents.observe("key", 1)
    assert documents.view("key") == Tally(1)
    assert documents.update("key", marked) == Tally(1, 1)
    assert documents.update("key", lambda tally: None) is None
    assert changes == [("key", Tally(), Tally(1), True), ("key", Tally(1), Tally(1, 1), True)]
    documents.close()
