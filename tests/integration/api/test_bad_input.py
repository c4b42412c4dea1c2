"""Bad input of every kind: the documented refusal, nothing written, nothing internal told."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest

from payflow.v1 import payment_intent_pb2 as pb
from tests.http_payments import HttpCaller
from tests.identifiers import never_given
from tests.integration.api.bad_requests import BAD_REQUESTS, CARD, CODES, RPCS, Bad, Door
from tests.integration.api.refusals import Refusal, http_refusal, over_grpc, over_http, payload_of
from tests.payments import ApiError, Caller
from tests.row_counts import row_counts
from tests.stack import Stack

INTERNAL = re.compile(
    r"Traceback|File \"|psycopg|SQLSTATE|\bSELECT\b|\bINSERT\b|payment_intents\b|Exception|[a-z]Error\b"
    r"|\b0x[0-9a-f]{6}|payflow\.(domain|store|commands|wire|psp)|server\.|<class|\bNone\b",
)
TEN_MB = 10_000_000


@pytest.fixture(scope="module")
def shop(address: str) -> Iterator[Caller]:
    """A caller for one merchant with payments in every state that the table speaks of."""
    with Caller(address, f"shop_{uuid4().hex}") as caller:
        yield caller


@pytest.fixture(scope="module")
def things(shop: Caller, address: str) -> dict[str, str]:
    """What the names in the table stand for."""
    created, authorized = shop.create(100), shop.create(100)
    shop.authorize(authorized.id)
    captured = shop.captured(100)
    with Caller(address, f"foreigner_{uuid4().hex}") as foreigner:
        foreigner.create()
    listed = pb.ListPaymentIntentsRequest(
        merchant_id=shop.merchant_id, page_size=1, status=pb.PAYMENT_INTENT_STATUS_CREATED
    )
    shop.create(100)
    events = pb.ListPaymentIntentEventsRequest(id=captured.id, page_size=1)
    return {
        "merchant": shop.merchant_id,
        "foreigner": foreigner.merchant_id,
        "created": created.id,
        "authorized": authorized.id,
        "captured": captured.id,
        "with NUL": created.id.replace("_", "\x00_"),
        "token": shop.intents.ListPaymentIntents(listed).next_page_token,
        "tampered token": tampered(shop.intents.ListPaymentIntentEvents(events).next_page_token),
    }


@pytest.fixture(autouse=True)
def nothing_written(stack: Stack, things: dict[str, str]) -> Iterator[None]:
    before = row_counts(stack.database.owner_url)
    assert before["payment_intents"] and before["idempotency_keys"] and before["entries"]
    yield
    assert row_counts(stack.database.owner_url) == before


def tampered(token: str) -> str:
    """The token with a position that is none, behind the mark that says which query it is of."""
    content = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    return base64.urlsafe_b64encode(content[:8] + b"nowhere").decode().rstrip("=")


def meant(request: Mapping[str, Any], things: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: things[value[1:]] if isinstance(value, str) and value.startswith("@") else value
        for name, value in request.items()
    }


def assert_refused(refusal: Refusal, reason: str, field: str = "") -> None:
    assert (refusal.code, refusal.reason) == (CODES[reason], reason)
    assert len(refusal.fields) == (1 if field else 0)
    assert all(named.startswith(field) for named in refusal.fields)
    assert not INTERNAL.search(refusal.text), refusal.text


CASES = [pytest.param(bad, door, id=f"{door}-{bad.name}") for bad in BAD_REQUESTS for door in bad.doors]


@pytest.mark.parametrize(("bad", "door"), CASES)
def test_a_bad_request(shop: Caller, http: HttpCaller, things: dict[str, str], bad: Bad, door: Door) -> None:
    rpc, request = RPCS[bad.rpc], meant(bad.request, things)
    if door == "grpc":
        refusal = over_grpc(shop.channel, rpc.path, payload_of(rpc, request), str(uuid4()))
    else:
        refusal = over_http(http, rpc, request, "" if rpc.http_method == "GET" else str(uuid4()))
    assert_refused(refusal, bad.reason, bad.field)
    assert CARD not in refusal.text


CHANGING = [name for name, rpc in RPCS.items() if rpc.http_method != "GET"]
GOOD_REQUESTS: Mapping[str, dict[str, Any]] = {
    "create": {"merchant_id": "@merchant", "amount": 100, "currency": "USD"},
    "authorize": {"id": "@created"},
    "capture": {"id": "@authorized"},
    "cancel": {"id": "@created"},
    "refund": {"payment_intent_id": "@captured"},
    "create merchant": {"merchant_id": "new"},
    "update merchant": {"merchant_id": "@merchant", "name": "new"},
    "create PSP account": {"merchant_id": "@merchant", "id": "new", "connector": "simulator"},
    "update PSP account": {"merchant_id": "@merchant", "id": "simulator", "priority": 1},
}


@pytest.mark.parametrize("name", CHANGING)
def test_a_changing_call_needs_a_key(
    shop: Caller, http: HttpCaller, things: dict[str, str], name: str
) -> None:
    rpc, request = RPCS[name], meant(GOOD_REQUESTS[name], things)
    for key in (None, "", "k" * 256):
        refusal = over_grpc(shop.channel, rpc.path, payload_of(rpc, request), key)
        assert_refused(refusal, "VALIDATION_FAILED", "idempotency-key")
    for header in ("", "k" * 256, "k\tk", "clé"):
        assert_refused(over_http(http, rpc, request, header), "VALIDATION_FAILED", "idempotency-key")


def test_an_unknown_field(shop: Caller, http: HttpCaller, things: dict[str, str]) -> None:
    request = meant(GOOD_REQUESTS["create"], things)
    # Field 99 holds the number 1.
    payload = payload_of(RPCS["create"], request) + bytes([0x98, 0x06, 0x01])
    assert_refused(over_grpc(shop.channel, RPCS["create"].path, payload, "key"), "VALIDATION_FAILED", "#99")
    refusal = http_refusal(http.post("/v1/payment_intents", request | {"ammount": 1}))
    assert_refused(refusal, "VALIDATION_FAILED", "ammount")
    refusal = http_refusal(http.get(f"/v1/payment_intents?merchant_id={shop.merchant_id}&sort=up"))
    assert_refused(refusal, "VALIDATION_FAILED", "sort")


@pytest.mark.parametrize("payload", [b"\xff\xff\xff", b"\x0a\xff"], ids=["tag", "length"])
def test_broken_protobuf(shop: Caller, payload: bytes) -> None:
    for rpc in RPCS.values():
        assert_refused(over_grpc(shop.channel, rpc.path, payload, "key"), "VALIDATION_FAILED")


def test_text_that_is_not_utf_8(shop: Caller) -> None:
    path = RPCS["create"].path
    assert_refused(over_grpc(shop.channel, path, b"\x0a\x01\xff", "key"), "VALIDATION_FAILED")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'{"amount": NaN}',
        b'{"a": "\xff"}',
        b'{"amount": 1, "amount": 2}',
        b"[" * 100_000,
    ],
    ids=["open", "list", "null", "NaN", "utf-8", "twice", "deep"],
)
def test_broken_json(http: HttpCaller, body: bytes) -> None:
    reply = http.post("/v1/payment_intents", body, content_type="application/json")
    assert_refused(http_refusal(reply), "VALIDATION_FAILED", "amount" if b"2" in body else "body")


def test_ten_megabytes(shop: Caller, http: HttpCaller, things: dict[str, str]) -> None:
    request = meant(GOOD_REQUESTS["create"], things) | {"description": "x" * TEN_MB}
    payload = payload_of(RPCS["create"], request)
    assert_refused(over_grpc(shop.channel, RPCS["create"].path, payload, "key"), "REQUEST_TOO_LARGE")
    assert_refused(over_http(http, RPCS["create"], request, "key"), "REQUEST_TOO_LARGE")


@pytest.mark.parametrize("path", ["/payflow.v1.PaymentIntentService/Steal", "/payflow.v1.Nobody/Get", "/x/y"])
def test_an_unknown_rpc(shop: Caller, path: str) -> None:
    assert_refused(over_grpc(shop.channel, path, b"", "key"), "UNIMPLEMENTED")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/payment_intents"),
        ("DELETE", "/v1/payment_intents/pi_1"),
        ("POST", "/v1/payment_intents//capture"),
    ],
)
def test_an_unknown_route(http: HttpCaller, method: str, path: str) -> None:
    assert_refused(http_refusal(http.send(method, path, key="key")), "ROUTE_NOT_FOUND")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
def test_a_wrong_content_type(http: HttpCaller, content_type: str) -> None:
    reply = http.post("/v1/payment_intents", {"merchant_id": "a"}, content_type=content_type)
    assert_refused(http_refusal(reply), "VALIDATION_FAILED", "content-type")


def test_a_foreign_id_is_refused_in_the_words_for_one_that_never_was(
    shop: Caller, things: dict[str, str]
) -> None:
    never = never_given(things["created"])
    words = []
    for intent_id, merchant_id in ((things["created"], things["foreigner"]), (never, "")):
        request = pb.GetPaymentIntentRequest(id=intent_id, merchant_id=merchant_id)
        with pytest.raises(ApiError) as refused:
            shop.reply(shop.intents.GetPaymentIntent, request)
        words.append(refused.value.message.replace(intent_id, "ID"))
    assert words[0] == words[1]


def test_an_unknown_merchant_has_nothing_and_is_not_made(http: HttpCaller) -> None:
    assert http.get("/v1/payment_intents?merchant_id=unknown").json["payment_intents"] == []
    assert http.get("/v1/refunds?merchant_id=unknown").json["refunds"] == []
    assert http.get("/v1/ledger/trial_balance?merchant_id=unknown").json == {
        "balances": [],
        "totals": [],
        "next_page_token": "",
    }
