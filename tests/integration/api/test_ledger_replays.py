"""Idempotency of everything that changes a book: replays to the byte, through both doors, and freed keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import pytest

from payflow.v1 import ledger_pb2 as pb
from tests.http_payments import HttpCaller
from tests.integration.api.ledger_refusals import RPCS, Json, grpc_form, lines, nothing_written
from tests.integration.api.refusals import http_refusal, over_grpc, over_http, payload_of
from tests.ledger_caller import LedgerCaller
from tests.payments import ApiError
from tests.stack import Stack
from tests.waiting import WAIT_S

KEY = "one-key"
# Enough that maps, which have no order of their own, are not in the same order twice by luck.
METADATA = {f"key_{number}": "value" for number in range(20)}
GOOD = lines(("cash", 5), ("owed", -5))


@dataclass(frozen=True, slots=True)
class Change:
    """A request that succeeds, and fields that make another request of it."""

    rpc: str
    request: Mapping[str, Any]
    others: tuple[Json, ...]


def opens(books: LedgerCaller) -> Change:
    request = {"merchant_id": books.merchant_id, "type": "asset", "currency": "USD", "metadata": METADATA}
    return Change(
        "open", request, ({"id": "own"}, {"type": "equity"}, {"allow_negative": True}, {"name": "x"})
    )


def posts(books: LedgerCaller) -> Change:
    request = {"merchant_id": books.merchant_id, "entries": GOOD, "metadata": METADATA, "reference": "once"}
    others: tuple[Json, ...] = (
        {"entries": GOOD[::-1]},
        {"pending": True},
        {"reference": "twice"},
        {"effective_at": "2020-01-01T00:00:00Z"},
        {"expected_versions": {"till": 0}},
        {"description": "x"},
    )
    return Change("post", request, others)


def holds(books: LedgerCaller) -> Change:
    request = {"merchant_id": books.merchant_id, "entries": GOOD, "pending": True}
    return Change("post", request, ({"pending": False}, {"expires_at": "2999-01-01T00:00:00Z"}))


def posts_many(books: LedgerCaller) -> Change:
    items = [{"entries": GOOD, "metadata": METADATA}, {"entries": GOOD[:1]}, {"entries": GOOD}]
    request = {"merchant_id": books.merchant_id, "transactions": items}
    return Change("bulk", request, ({"transactions": items[:2]}, {"transactions": items[::-1]}))


def posts_a_hold(books: LedgerCaller) -> Change:
    hold = books.hold(("cash", 5), ("owed", -5))
    return Change("post hold", {"id": hold.id, "metadata": METADATA}, ({"amount": 5}, {"description": "x"}))


def voids(books: LedgerCaller) -> Change:
    hold = books.hold(("cash", 5), ("owed", -5))
    return Change("void", {"id": hold.id}, ({"description": "x"}, {"metadata": {"a": "1"}}))


def reverses(books: LedgerCaller) -> Change:
    posted = books.post(("cash", 5), ("owed", -5))
    return Change("reverse", {"id": posted.id}, ({"reference": "back"}, {"description": "x"}))


CHANGES = [opens, posts, holds, posts_many, posts_a_hold, voids, reverses]


def send(books: LedgerCaller, change: Change) -> tuple[bytes, bool]:
    """The response's bytes and whether it was a replay."""
    rpc = RPCS[change.rpc]
    method: Any = books.channel.unary_unary(rpc.path, bytes, bytes)
    payload = payload_of(rpc, grpc_form(change.request))
    answer, call = method.with_call(payload, metadata=(("idempotency-key", KEY),), timeout=WAIT_S)
    return answer, ("idempotent-replayed", "true") in [tuple(item) for item in call.trailing_metadata()]


def send_over_http(http: HttpCaller, change: Change) -> Any:
    """The reply of the route."""
    body = dict(change.request)
    path = RPCS[change.rpc].template
    if "{id}" in path:
        path = path.format(id=body.pop("id"))
    return http.post(path, body, KEY)


def identifiers(message: Any) -> list[str]:
    """The ids of what a response is about."""
    if "results" in message:
        return [one["transaction"]["id"] for one in message["results"] if "transaction" in one]
    return [message["id"]]


@pytest.mark.parametrize("make", CHANGES)
def test_a_replay_is_the_same_to_the_byte(
    books: LedgerCaller, http: HttpCaller, stack: Stack, make: Callable[[LedgerCaller], Change]
) -> None:
    change = make(books)
    first, replayed = send(books, change)
    assert first and not replayed
    books.post(("cash", 7), ("owed", -7))
    with nothing_written(stack):
        assert send(books, change) == (first, True)
        reply = send_over_http(http, change)
    assert reply.status < 300 and reply.replayed
    assert all(identifier.encode() in first for identifier in identifiers(reply.json))


@pytest.mark.parametrize("make", CHANGES)
def test_http_first_then_grpc(
    books: LedgerCaller, http: HttpCaller, stack: Stack, make: Callable[[LedgerCaller], Change]
) -> None:
    change = make(books)
    first = send_over_http(http, change)
    assert first.status == (201 if change.rpc in ("open", "post") else 200)
    assert not first.replayed
    with nothing_written(stack):
        answer, replayed = send(books, change)
        assert replayed
        assert send_over_http(http, change).body == first.body
    assert all(identifier.encode() in answer for identifier in identifiers(first.json))


@pytest.mark.parametrize("make", CHANGES)
def test_a_key_is_refused_for_the_same_call_with_another_field(
    books: LedgerCaller, http: HttpCaller, stack: Stack, make: Callable[[LedgerCaller], Change]
) -> None:
    change = make(books)
    answer, _ = send(books, change)
    with nothing_written(stack):
        for other in change.others:
            assert_reused(books, http, Change(change.rpc, {**change.request, **other}, ()))
    assert send(books, change) == (answer, True)


REUSES = [
    pytest.param(first, second, id=f"{first.__name__}-then-{second.__name__}")
    for first, second in permutations((opens, posts, posts_many, voids, reverses), 2)
]


@pytest.mark.parametrize(("first", "second"), REUSES)
def test_a_key_of_one_rpc_is_refused_for_another(
    books: LedgerCaller,
    http: HttpCaller,
    stack: Stack,
    first: Callable[[LedgerCaller], Change],
    second: Callable[[LedgerCaller], Change],
) -> None:
    used, other = first(books), second(books)
    send(books, used)
    with nothing_written(stack):
        assert_reused(books, http, other)


def assert_reused(books: LedgerCaller, http: HttpCaller, change: Change) -> None:
    rpc = RPCS[change.rpc]
    refusal = over_grpc(books.channel, rpc.path, payload_of(rpc, grpc_form(change.request)), KEY)
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED")
    assert over_http(http, rpc, change.request, KEY).reason == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize("make", CHANGES)
def test_a_changing_call_needs_a_key(
    books: LedgerCaller, http: HttpCaller, stack: Stack, make: Callable[[LedgerCaller], Change]
) -> None:
    change = make(books)
    rpc = RPCS[change.rpc]
    with nothing_written(stack):
        for key in (None, "", "k" * 256):
            refusal = over_grpc(books.channel, rpc.path, payload_of(rpc, grpc_form(change.request)), key)
            assert (refusal.reason, refusal.fields) == ("VALIDATION_FAILED", ("idempotency-key",))
        refusal = over_http(http, rpc, change.request)
        assert (refusal.reason, refusal.fields) == ("VALIDATION_FAILED", ("idempotency-key",))


def test_a_refusal_frees_the_key(books: LedgerCaller) -> None:
    hold, spent = books.hold(("cash", 5), ("owed", -5)), books.post(("till", 5), ("cash", -5))
    books.post(("till", -5), ("cash", 5))
    refusals: list[tuple[str, Callable[[], object]]] = [
        ("ACCOUNT_EXISTS", lambda: books.account("cash", key=KEY)),
        ("INSUFFICIENT_BALANCE", lambda: books.post(("till", -5), ("cash", 5), key=KEY)),
        (
            "CONCURRENT_UPDATE",
            lambda: books.post(("cash", 1), ("owed", -1), key=KEY, expected_versions={"cash": 9}),
        ),
        ("VALIDATION_FAILED", lambda: books.bulk(key=KEY)),
        ("VALIDATION_FAILED", lambda: books.post_hold(hold.id, 6, key=KEY)),
        ("INVALID_STATE_TRANSITION", lambda: books.void(spent.id, key=KEY)),
        ("INSUFFICIENT_BALANCE", lambda: books.reverse(spent.id, key=KEY)),
    ]
    for reason, call in refusals:
        with pytest.raises(ApiError, match=reason):
            call()
    posted = books.post(("cash", 1), ("owed", -1), key=KEY)
    with pytest.raises(ApiError, match="IDEMPOTENCY_KEY_REUSED"):
        books.account("cash", key=KEY)
    assert books.post(("cash", 1), ("owed", -1), key=KEY) == posted


def test_a_replay_comes_before_what_would_refuse_it_now(books: LedgerCaller) -> None:
    """The account exists, the reference is taken, the hold is resolved: by the first request itself."""
    account = books.account("new", key="open")
    assert books.account("new", key="open") == account
    expected = {"cash": 0}
    hold = books.hold(("cash", 1), ("new", -1), key="hold", reference="r", expected_versions=expected)
    assert books.hold(("cash", 1), ("new", -1), key="hold", reference="r", expected_versions=expected) == hold
    assert hold.status == pb.TRANSACTION_STATUS_PENDING
    posted = books.post_hold(hold.id, key="post")
    assert books.post_hold(hold.id, key="post") == posted
    reversal = books.reverse(posted.id, key="reverse")
    assert books.reverse(posted.id, key="reverse") == reversal
    assert books.sums("cash") == (0, 0, 0, 0, 4)


def test_a_key_is_a_merchants_own(books: LedgerCaller, address: str, http: HttpCaller) -> None:
    posted = books.post(("cash", 5), ("owed", -5), key=KEY)
    with LedgerCaller(address, f"{books.merchant_id}_other") as others:
        assert others.account("cash", key=KEY).merchant_id == others.merchant_id
    refusal = http_refusal(
        http.post(
            "/v1/ledger/accounts", {"merchant_id": books.merchant_id, "type": "asset", "currency": "USD"}, KEY
        )
    )
    assert refusal.reason == "IDEMPOTENCY_KEY_REUSED"
    assert books.post(("cash", 5), ("owed", -5), key=KEY) == posted
