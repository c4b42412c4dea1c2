"""The HTTP calls of the contract, word for word, and the shapes of their answers."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from tests.http_payments import HttpCaller, HttpReply

RFC_3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
JSON = {"content_type": "application/json"}


@pytest.fixture
def run() -> str:
    """Makes the contract's keys this test's own."""
    return uuid4().hex


def create(http: HttpCaller, run: str) -> HttpReply:
    body = (
        b'{"merchant_id":"merchant_test","amount":10000,"currency":"USD",'
        b'"metadata":{"order_id":"order_12345"}}'
    )
    return http.post("/v1/payment_intents", body, f"test-{run}", **JSON)


def test_the_four_calls_of_the_contract(http: HttpCaller, run: str) -> None:
    created = create(http, run)
    assert created.status == 201
    intent = created.json
    assert re.fullmatch(r"pi_[0-9a-z]+", intent["id"])
    assert (intent["status"], intent["amount"], intent["currency"]) == ("created", 10_000, "USD")
    assert (intent["capture_method"], intent["merchant_id"]) == ("manual", "merchant_test")
    assert intent["metadata"] == {"order_id": "order_12345"}
    path = f"/v1/payment_intents/{intent['id']}"
    authorized = http.post(f"{path}/authorize", key=f"auth-{run}")
    assert (authorized.status, authorized.json["status"]) == (200, "authorized")
    captured = http.post(f"{path}/capture", b'{"amount":10000}', f"cap-{run}", **JSON)
    assert (captured.status, captured.json["status"]) == (200, "captured")
    refunded = http.post(
        f"{path}/refund", b'{"amount":5000,"reason":"customer_request"}', f"ref-{run}", **JSON
    )
    assert (refunded.status, refunded.json["status"]) == (200, "refunded")
    assert refunded.json["id"].startswith("re_")
    assert (refunded.json["amount"], refunded.json["reason"]) == (5_000, "customer_request")
    now = http.get(path)
    assert (now.status, now.json["status"], now.json["refunded_amount"]) == (200, "captured", 5_000)


def test_every_time_is_rfc_3339_in_utc(http: HttpCaller, run: str) -> None:
    intent_id = create(http, run).json["id"]
    http.post(f"/v1/payment_intents/{intent_id}/authorize")
    intent = http.post(f"/v1/payment_intents/{intent_id}/capture").json
    for name in ("created_at", "updated_at", "authorized_at", "authorization_expires_at", "captured_at"):
        assert RFC_3339_UTC.fullmatch(intent[name]), name
    assert "canceled_at" not in intent


def test_a_created_refund_is_201(http: HttpCaller, run: str) -> None:
    intent_id = create(http, run).json["id"]
    for step in ("authorize", "capture"):
        http.post(f"/v1/payment_intents/{intent_id}/{step}")
    refund = http.post("/v1/refunds", {"payment_intent_id": intent_id, "amount": 1})
    assert refund.status == 201
    one = http.get(f"/v1/refunds/{refund.json['id']}")
    assert (one.status, one.json) == (200, refund.json)
    listed = http.get(f"/v1/refunds?payment_intent_id={intent_id}").json
    assert (listed["refunds"], listed["next_page_token"]) == ([refund.json], "")


def test_integers_may_come_as_strings(http: HttpCaller) -> None:
    body = {"merchant_id": "merchant_test", "amount": "12345", "currency": "USD"}
    reply = http.post("/v1/payment_intents", body)
    assert (reply.status, reply.json["amount"]) == (201, 12_345)


def test_metadata_comes_in_the_order_of_its_keys(http: HttpCaller) -> None:
    metadata = {f"key_{number * 7 % 50}": "value" for number in range(50)}
    body = {"merchant_id": "merchant_test", "amount": 1, "currency": "USD", "metadata": metadata}
    created = http.post("/v1/payment_intents", body).json
    assert created["metadata"] == metadata
    assert list(created["metadata"]) == sorted(metadata)


def test_cancel_and_events(http: HttpCaller, run: str) -> None:
    intent_id = create(http, run).json["id"]
    canceled = http.post(f"/v1/payment_intents/{intent_id}/cancel")
    assert (canceled.status, canceled.json["status"]) == (200, "canceled")
    assert canceled.json["cancellation_reason"] == "requested"
    trail = http.get(f"/v1/payment_intents/{intent_id}/events").json
    assert [event["type"] for event in trail["events"]] == [
        "payment_intent.created",
        "payment_intent.canceled",
    ]


def test_list_by_status(http: HttpCaller) -> None:
    merchant_id = f"merchant_{uuid4().hex}"
    body = {"merchant_id": merchant_id, "amount": 1, "currency": "USD"}
    ids = [http.post("/v1/payment_intents", body).json["id"] for _ in range(3)]
    http.post(f"/v1/payment_intents/{ids[0]}/cancel")
    path = f"/v1/payment_intents?merchant_id={merchant_id}&status=created&page_size=1"
    first = http.get(path).json
    second = http.get(f"{path}&page_token={first['next_page_token']}").json
    assert [one["id"] for one in first["payment_intents"] + second["payment_intents"]] == [ids[2], ids[1]]
    assert second["next_page_token"] == ""


def test_a_decline_is_an_answer_not_an_error(http: HttpCaller) -> None:
    body = {
        "merchant_id": "merchant_test",
        "amount": 1,
        "currency": "USD",
        "payment_method": "pm_card_declined",
    }
    intent_id = http.post("/v1/payment_intents", body).json["id"]
    declined = http.post(f"/v1/payment_intents/{intent_id}/authorize")
    assert (declined.status, declined.json["status"]) == (200, "failed")
    assert declined.json["failure"]["code"] == "card_declined"


def test_balances(http: HttpCaller, run: str) -> None:
    merchant_id = f"merchant_{run}"
    body = {"merchant_id": merchant_id, "amount": 10_000, "currency": "USD", "capture_method": "automatic"}
    intent_id = http.post("/v1/payment_intents", body).json["id"]
    assert http.post(f"/v1/payment_intents/{intent_id}/authorize").json["status"] == "captured"
    account = "sys:merchant_payable:simulator:USD"
    balance = http.get(f"/v1/ledger/accounts/{account}/balance?merchant_id={merchant_id}")
    assert (balance.status, balance.json["posted"], balance.json["available"]) == (200, -9_700, 9_700)
    before = http.get(
        f"/v1/ledger/accounts/{account}/balance?merchant_id={merchant_id}&as_of=2020-01-01T00:00:00Z"
    )
    assert (before.json["posted"], before.json["as_of"]) == (0, "2020-01-01T00:00:00Z")
    trial = http.get(f"/v1/ledger/trial_balance?merchant_id={merchant_id}").json
    assert trial["totals"] == [{"currency": "USD", "debits": 10_000, "credits": 10_000, "difference": 0}]
