"""Where merchants are told, over gRPC, HTTP and the command line."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from google.protobuf.timestamp_pb2 import Timestamp

from payflow.v1 import webhook_endpoint_pb2 as pb
from server.cli.main import main
from tests.http_payments import HttpCaller
from tests.payments import ApiError, Caller
from tests.stack import Stack

URL = "https://shop.example/payflow"
NOT_FOUND = (404, "NOT_FOUND", "NOT_FOUND")
NOBODYS = "we_" + "0" * 32
ENABLED = pb.WEBHOOK_ENDPOINT_STATUS_ENABLED
DISABLED = pb.WEBHOOK_ENDPOINT_STATUS_DISABLED


def create(caller: Caller, key: str | None = None, **fields: Any) -> Any:
    request = pb.CreateWebhookEndpointRequest(**{"merchant_id": caller.merchant_id, "url": URL} | fields)
    return caller.reply(caller.webhook_endpoints.CreateWebhookEndpoint, request, key)


def update(caller: Caller, endpoint_id: str, **fields: Any) -> Any:
    request = pb.UpdateWebhookEndpointRequest(id=endpoint_id, **fields)
    return caller.reply(caller.webhook_endpoints.UpdateWebhookEndpoint, request).message


def refused(caller: Caller, rpc: str, request: Any) -> ApiError:
    with pytest.raises(ApiError) as error:
        caller.reply(getattr(caller.webhook_endpoints, rpc), request)
    return error.value


def test_an_endpoint_from_its_creation_to_its_end(caller: Caller, http: HttpCaller) -> None:
    body = {"merchant_id": caller.merchant_id, "url": URL, "event_types": ["refund.*"], "description": "till"}
    created = http.post("/v1/webhook_endpoints", body)
    assert created.status == 201
    endpoint = created.json
    path = f"/v1/webhook_endpoints/{endpoint['id']}"
    assert endpoint["id"].startswith("we_")
    assert (endpoint["status"], endpoint["version"], endpoint["event_types"]) == ("enabled", 1, ["refund.*"])
    assert http.get(path).json == endpoint
    listed = http.get(f"/v1/webhook_endpoints?merchant_id={caller.merchant_id}").json
    assert listed == {"webhook_endpoints": [endpoint]}

    changed = http.patch(path, {"url": f"{URL}/2", "status": "disabled"}).json
    assert (changed["url"], changed["disabled_reason"], changed["version"]) == (f"{URL}/2", "requested", 3)
    assert changed["event_types"] == ["refund.*"] and changed["description"] == "till"
    enabled = http.patch(path, {"status": "enabled", "event_types": ["*"]}).json
    assert (enabled["status"], enabled["event_types"]) == ("enabled", ["*"])
    assert "disabled_reason" not in enabled

    before = http.get(f"{path}/secret").json["secret"]
    rotated = http.post(f"{path}/rotate_secret")
    assert rotated.status == 200 and rotated.json["secret_rotated_at"]
    assert http.get(f"{path}/secret").json["secret"] != before
    assert http.post(f"{path}/test").status == 200
    assert http.get(f"{path}/deliveries").json == {"deliveries": [], "next_page_token": ""}
    since = {"since": "2026-01-01T00:00:00Z"}
    assert http.post(f"{path}/redeliver", since).json == {"redelivered": 0, "more": False}

    deleted = http.send("DELETE", path, key="delete-it")
    assert deleted.status == 200 and deleted.json["id"] == endpoint["id"]
    again = http.send("DELETE", path, key="delete-it")
    assert again.replayed and again.json == deleted.json
    assert http.get(path).error == NOT_FOUND
    assert http.send("DELETE", path, key="another").error == NOT_FOUND


def test_a_repeated_request_makes_one_endpoint(caller: Caller) -> None:
    first, second = create(caller, "once"), create(caller, "once")
    assert first.message == second.message and second.replayed
    with pytest.raises(ApiError, match="IDEMPOTENCY_KEY_REUSED"):
        create(caller, "once", description="another")


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("url", {"url": ""}),
        ("url", {"url": "http://shop.example/"}),
        ("url", {"url": "https://169.254.169.254/latest/meta-data/"}),
        ("url", {"url": "https://[::ffff:127.0.0.1]/"}),
        ("url", {"url": "https://localhost/"}),
        ("url", {"url": "https://shop.example/\x00"}),
        ("description", {"description": "d" * 201}),
        ("description", {"description": "a\x00b"}),
        ("event_types[0]", {"event_types": ["attempt.resumed"]}),
        ("event_types", {"event_types": ["*"] * 51}),
        ("merchant_id", {"merchant_id": ""}),
    ],
)
def test_bad_fields_are_refused_by_name(caller: Caller, field: str, given: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refusal:
        create(caller, **given)
    assert (refusal.value.reason, refusal.value.fields) == ("VALIDATION_FAILED", [field])
    if "merchant_id" not in given and field != "event_types[0]":
        endpoint = create(caller).message
        with pytest.raises(ApiError) as refusal:
            update(caller, endpoint.id, **given)
        assert refusal.value.fields == [field]


def test_a_merchant_has_at_most_16(caller: Caller) -> None:
    endpoints = [create(caller).message for _ in range(16)]
    with pytest.raises(ApiError, match="LIMIT_REACHED: a merchant has at most 16 webhook endpoints"):
        create(caller)
    delete = pb.DeleteWebhookEndpointRequest(id=endpoints[3].id)
    caller.reply(caller.webhook_endpoints.DeleteWebhookEndpoint, delete)
    new = create(caller).message
    page = caller.webhook_endpoints.ListWebhookEndpoints(
        pb.ListWebhookEndpointsRequest(merchant_id=caller.merchant_id)
    )
    assert [one.id for one in page.webhook_endpoints] == [
        *(one.id for number, one in enumerate(endpoints) if number != 3),
        new.id,
    ]


def test_what_is_disabled_is_neither_tested_nor_redelivered_to(caller: Caller) -> None:
    endpoint = create(caller).message
    update(caller, endpoint.id, status=DISABLED)
    for rpc, request in (
        ("TestWebhookEndpoint", pb.TestWebhookEndpointRequest(id=endpoint.id)),
        ("RedeliverWebhook", pb.RedeliverWebhookRequest(id=endpoint.id, delivery_id="whd_1")),
        ("RedeliverFailedWebhooks", pb.RedeliverFailedWebhooksRequest(id=endpoint.id, since=Timestamp())),
    ):
        assert refused(caller, rpc, request).reason == "INVALID_STATE_TRANSITION"


def test_what_is_not_there_is_not_found(caller: Caller) -> None:
    endpoint = create(caller).message
    for request in (
        pb.GetWebhookEndpointRequest(id=NOBODYS),
        pb.GetWebhookEndpointRequest(id="nonsense\x00"),
        pb.GetWebhookEndpointRequest(id=endpoint.id, merchant_id="somebody_else"),
    ):
        assert refused(caller, "GetWebhookEndpoint", request).reason == "NOT_FOUND"
    for delivery_id in ("", "whd_1\x00", "whd_" + endpoint.id.removeprefix("we_")):
        again = pb.RedeliverWebhookRequest(id=endpoint.id, delivery_id=delivery_id)
        assert refused(caller, "RedeliverWebhook", again).reason == "NOT_FOUND"
    assert refused(caller, "GetWebhookEndpoint", pb.GetWebhookEndpointRequest()).fields == ["id"]
    since = pb.RedeliverFailedWebhooksRequest(id=endpoint.id)
    assert refused(caller, "RedeliverFailedWebhooks", since).fields == ["since"]


def test_no_secret_is_stored(stack: Stack, caller: Caller) -> None:
    endpoint = create(caller, "creating").message
    rotate = pb.RotateWebhookEndpointSecretRequest(id=endpoint.id)
    caller.reply(caller.webhook_endpoints.RotateWebhookEndpointSecret, rotate)
    request = pb.GetWebhookEndpointSecretRequest(id=endpoint.id)
    secret = caller.webhook_endpoints.GetWebhookEndpointSecret(request).secret
    assert secret.startswith("whsec_")
    with psycopg.connect(stack.database.owner_url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            query = f"SELECT count(*) FROM {table} AS one WHERE one::text ~ %s"
            text = secret.removeprefix("whsec_")
            pattern = f"{re.escape(text)}|{text.encode().hex()}|{base64.b64decode(text).hex()}"
            row = connection.execute(query.encode(), [pattern]).fetchone()
            assert row == (0,), table
    for process in stack.processes:
        assert secret not in process.log.read_text()


def command(address: str, *arguments: str) -> Any:
    result = CliRunner().invoke(main, ["webhook-endpoints", *arguments, "--address", address, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_command_line_does_all_of_it(address: str, caller: Caller) -> None:
    create(caller)
    endpoint = command(
        address, "create", caller.merchant_id, URL, "--event", "refund.*", "--description", "x"
    )
    assert command(address, "get", endpoint["id"]) == endpoint
    assert command(address, "list", caller.merchant_id)[1] == endpoint
    assert command(address, "update", endpoint["id"], "--disable")["status"] == "disabled"
    assert command(address, "update", endpoint["id"], "--enable", "--url", f"{URL}/2")["url"] == f"{URL}/2"
    before = command(address, "secret", endpoint["id"])["secret"]
    assert command(address, "rotate-secret", endpoint["id"])["secret_rotated_at"]
    shown = CliRunner().invoke(main, ["webhook-endpoints", "secret", endpoint["id"], "--address", address])
    assert shown.stdout.startswith("whsec_") and shown.stdout.strip() != before
    assert command(address, "test", endpoint["id"])["id"] == endpoint["id"]
    assert command(address, "deliveries", endpoint["id"], "--state", "failed") == []
    redelivered = command(address, "redeliver", endpoint["id"], "--failed-since", "2026-01-31")
    assert redelivered == {"redelivered": 0, "more": False}
    assert command(address, "delete", endpoint["id"])["id"] == endpoint["id"]
    unclear = CliRunner().invoke(main, ["webhook-endpoints", "redeliver", endpoint["id"]])
    assert unclear.exit_code == 2 and "give either DELIVERY_ID or --failed-since" in unclear.output
