from __future__ import annotations

import json

import pytest
from grpc_health.v1 import health_pb2

from payflow.v1 import (
    payment_intent_pb2,
)
from tests.integration.gateway.gateway_process import GatewayProcess
from tests.integration.gateway.grpc_backend import Calls, GrpcServer
from tests.integration.gateway.requests import INTENTS, KEY, VALIDATION_FAILED


def test_the_contracts_calls_work_word_for_word(gateway: GatewayProcess) -> None:
    body = {
        "merchant_id": "merchant_test",
        "amount": 10000,
        "currency": "USD",
        "metadata": {"order_id": "order_12345"},
    }
    created = gateway.call("POST", INTENTS, body, KEY)
    assert created.status == 201
    assert created.headers["content-type"] == "application/json"
    assert {**body, "id": "pi_1", "status": "created"}.items() <= created.json.items()

    authorized = gateway.call("POST", f"{INTENTS}/pi_1/authorize", headers=KEY)
    assert (authorized.status, authorized.json["status"]) == (200, "authorized")

    captured = gateway.call("POST", f"{INTENTS}/pi_1/capture", {"amount": 10000}, KEY)
    assert (captured.status, captured.json["status"]) == (200, "captured")
    assert captured.json["captured_amount"] == 10000

    refund = {"amount": 5000, "reason": "customer_request"}
    refunded = gateway.call("POST", f"{INTENTS}/pi_1/refund", refund, KEY)
    assert refunded.status == 200
    assert {"id": "re_1", "payment_intent_id": "pi_1", "status": "refunded", **refund}.items() <= (
        refunded.json.items()
    )
    assert gateway.call("POST", "/v1/refunds", {"payment_intent_id": "pi_1"}, KEY).status == 201


def test_an_absent_amount_stays_absent(gateway: GatewayProcess, calls: Calls) -> None:
    gateway.call("POST", f"{INTENTS}/pi_1/capture", headers=KEY)
    gateway.call("POST", f"{INTENTS}/pi_1/capture", {"amount": 0}, KEY)
    assert [request.HasField("amount") for request in calls.requests] == [False, True]


def test_queries_reach_the_rpc(gateway: GatewayProcess, calls: Calls) -> None:
    answer = gateway.call("GET", f"{INTENTS}?merchant_id=m&status=captured&page_size=7")
    assert (answer.status, answer.json) == (200, {"payment_intents": [], "next_page_token": "next"})
    assert calls.requests == [
        payment_intent_pb2.ListPaymentIntentsRequest(
            merchant_id="m", status=payment_intent_pb2.PAYMENT_INTENT_STATUS_CAPTURED, page_size=7
        )
    ]


def test_a_bulk_answers_200(gateway: GatewayProcess) -> None:
    answer = gateway.call("POST", "/v1/ledger/transactions:batch", {"transactions": [{}]}, KEY)
    assert answer.status == 200
    error = {"reason": "UNBALANCED_TRANSACTION", "message": "", "field": "", "metadata": {}}
    assert answer.json == {"results": [{"error": error}]}


def test_headers_travel_both_ways(gateway: GatewayProcess, calls: Calls) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = {
        "Idempotency-Key": "again",
        "X-Correlation-Id": "abc-1",
        "traceparent": traceparent,
        "Authorization": "Bearer k",
        "X-Other": "no",
    }
    answer = gateway.call("POST", INTENTS, {}, sent)
    assert answer.headers["idempotent-replayed"] == "true"
    assert answer.headers["x-correlation-id"] == "abc-1"
    expected = {
        "idempotency-key": "again",
        "x-correlation-id": "abc-1",
        "traceparent": traceparent,
        "authorization": "Bearer k",
    }
    assert expected.items() <= calls.metadata.items()
    assert "x-other" not in calls.metadata

    fresh = gateway.call("POST", INTENTS, {}, KEY)
    assert "idempotent-replayed" not in fresh.headers
    assert len(fresh.headers["x-correlation-id"]) == 32
    assert (
        gateway.call("GET", "/health", headers={"X-Request-Id": "r-1"}).headers["x-correlation-id"] == "r-1"
    )


def test_the_servers_errors_come_out_in_the_contracts_shape(gateway: GatewayProcess) -> None:
    missing_key = gateway.call("POST", INTENTS, {})
    assert (missing_key.error, missing_key.fields) == (VALIDATION_FAILED, ["idempotency-key"])
    assert gateway.call("GET", f"{INTENTS}/pi_missing").error == (404, "NOT_FOUND", "NOT_FOUND")
    busy = gateway.call("GET", f"{INTENTS}/pi_busy")
    assert busy.error == (409, "ABORTED", "CONCURRENT_UPDATE")
    assert busy.headers["retry-after"] == "2"
    crash = gateway.call("GET", f"{INTENTS}/pi_crash")
    assert crash.status == 500
    assert "secret" not in json.dumps(crash.json)
    assert gateway.call("GET", "/v1/refunds/re_1").error == (501, "UNIMPLEMENTED", "UNIMPLEMENTED")


@pytest.mark.parametrize(
    ("http_method", "path"),
    [
        ("GET", "/nothing"),
        ("DELETE", f"{INTENTS}/pi_1"),
        ("POST", "/health"),
        ("GET", f"{INTENTS}/"),
        ("PUT", "/"),
    ],
)
def test_unknown_routes_and_methods(gateway: GatewayProcess, http_method: str, path: str) -> None:
    assert gateway.call(http_method, path).error == (404, "NOT_FOUND", "ROUTE_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "body", "headers", "field_name"),
    [
        (INTENTS, b"{", {}, "body"),
        (INTENTS, b"[1]", {}, "body"),
        (INTENTS, b'{"description":"\xff"}', {}, "body"),
        (INTENTS, b'{"a":' * 10_000 + b"1" + b"}" * 10_000, {}, "body"),
        (INTENTS, b'{"amount":1,"amount":1}', {}, "amount"),
        (INTENTS, b'{"amount":NaN}', {}, "body"),
        (INTENTS, b'{"amount":1.5}', {}, "amount"),
        (INTENTS, b'{"amount":9223372036854775808}', {}, "amount"),
        (INTENTS, b'{"nonsense":1}', {}, "nonsense"),
        (INTENTS, b'{"\\ud800":1}', {}, "?"),
        (INTENTS, b'{"description":"\\ud800"}', {}, "description"),
        (INTENTS, b"{}", {"Content-Type": "text/plain"}, "content-type"),
        (INTENTS, b"{}", {"Content-Type": "application/json; charset=latin-1"}, "content-type"),
        (INTENTS, b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, "content-type"),
        (INTENTS, b"{}", {"Idempotency-Key": "caf\u00e9"}, "idempotency-key"),
        (INTENTS, b"{}", {"Idempotency-Key": "a\tb"}, "idempotency-key"),
        (INTENTS, b"{}", {"Idempotency-Key": ""}, "idempotency-key"),
        (INTENTS, b"{}", {"Idempotency-Key": "k" * 256}, "idempotency-key"),
        (f"{INTENTS}/pi_1/capture", b'{"id":"pi_2"}', {}, "id"),
        (f"{INTENTS}/pi%00/capture", b"", {}, "id"),
        (f"{INTENTS}/pi%0d%0a/capture", b"", {}, "id"),
        (f"{INTENTS}/%c3%28/capture", b"", {}, "id"),
        (f"{INTENTS}?amount=1", b"{}", {}, "query"),
    ],
)
def test_bad_requests_name_the_field_and_reach_nobody(
    *, gateway: GatewayProcess, calls: Calls, path: str, body: bytes, headers: dict[str, str], field_name: str
) -> None:
    answer = gateway.call("POST", path, body, {**KEY, **headers})
    assert (answer.error, answer.fields) == (VALIDATION_FAILED, [field_name])
    assert calls.requests == []


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "application/json;charset=UTF-8", None]
)
def test_json_content_types_are_accepted(gateway: GatewayProcess, content_type: str | None) -> None:
    headers = {**KEY, "Content-Type": content_type} if content_type else KEY
    assert gateway.call("POST", INTENTS, b"{}", headers).status == 201


def test_health_ready_and_openapi(gateway: GatewayProcess, backend: GrpcServer) -> None:
    alive = gateway.call("GET", "/health")
    assert (alive.status, alive.json) == (200, {"status": "alive"})
    backend.health.set("", health_pb2.HealthCheckResponse.SERVING)
    ready = gateway.call("GET", "/ready")
    assert (ready.status, ready.json) == (200, {"status": "ready"})
    backend.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert gateway.call("GET", "/ready").error == (503, "UNAVAILABLE", "UNAVAILABLE")
    backend.health.set("", health_pb2.HealthCheckResponse.SERVING)
    document = gateway.call("GET", "/openapi.json")
    assert document.status == 200
    assert INTENTS in document.json["paths"]
