"""Webhooks through the real gateway: what is kept, what is turned away, and what is said about it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY

from payflow.domain.errors import Reason
from payflow.domain.webhook import BODY_BYTES_MAX, EVENT_ID_MAX, HEADERS_MAX
from payflow.store.database.pool import PooledConnection
from payflow.store.webhooks import inbox as webhook_inbox
from payflow.v1 import webhook_pb2 as pb
from payflow.v1.payment_intent_pb2 import CreatePaymentIntentRequest
from tests.integration.gateway.gateway_process import read_answer
from tests.payments import ApiError
from tests.row_counts import row_counts
from tests.signed_webhooks import SIGNATURE, line, signature
from tests.waiting import wait_until
from tests.webhook_stack import ACCOUNT, ACME_REPLY, BOLT, SECRET, SHOP_SECRET, WebhookStack

UNAUTHENTICATED = (401, "UNAUTHENTICATED", "UNAUTHENTICATED")
VALIDATION_FAILED = (400, "INVALID_ARGUMENT", "VALIDATION_FAILED")
TOO_LARGE = (413, "INVALID_ARGUMENT", "REQUEST_TOO_LARGE")
LOGGER = "payflow.commands.receive_webhook"


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, LOGGER)
    return caplog


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def told(logged: pytest.LogCaptureFixture) -> dict[str, Any]:
    """The fields of the last line of the log."""
    [*_, last] = [record for record in logged.records if record.name == LOGGER]
    return vars(last)


def test_a_verified_delivery_is_kept_and_answered_as_the_psp_wants_it(
    stack: WebhookStack, logged: pytest.LogCaptureFixture
) -> None:
    intent_id, reference = stack.reference()
    reply = stack.send(
        line("kept-1", reference, b"nothing"), line("kept-2", content=b"nothing"), x_correlation_id="corr-1"
    )
    assert (reply.status, reply.body.decode()) == (200, ACME_REPLY)
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    first, second = stack.row("kept-1"), stack.row("kept-2")
    assert (first["merchant_id"], first["intent_id"]) == (stack.caller.merchant_id, intent_id)
    assert (first["reference"], first["connector"], first["credential_ref"]) == (reference, "acme", "")
    assert (first["state"], first["tries"], first["correlation_id"]) == ("PENDING", 0, "corr-1")
    assert (second["merchant_id"], second["intent_id"], second["position"]) == ("", "", 1)
    assert first["received_at"] == first["due_at"] == stack.clock.now()
    expected = {"event_ids": ["kept-1", "kept-2"], "repeated": 0, "correlation_id": "corr-1"}
    assert expected.items() <= told(logged).items()


def test_a_psp_that_does_not_care_is_answered_in_json(stack: WebhookStack) -> None:
    stack.account("bolt-main", BOLT)
    reply = stack.send(line("json-1"), account="bolt-main")
    assert (reply.status, reply.json) == (200, {"received": True})
    assert reply.headers["content-type"] == "application/json"


def test_the_body_is_kept_byte_for_byte_whatever_it_is(stack: WebhookStack) -> None:
    content = bytes(one for one in range(256) if one != ord("\n"))
    reply = stack.send(line("bytes-1", content=content), content_type="application/x-www-form-urlencoded")
    assert reply.status == 200
    assert stack.row("bytes-1")["content"] == content


def _altered(stack: WebhookStack) -> tuple[bytes, dict[str, str]]:
    body = line("bad-1")
    return body.replace(b"1", b"2"), {SIGNATURE: signature(SECRET, stack.clock.now(), body)}


def _at(ahead_s: float) -> Callable[[WebhookStack], tuple[bytes, dict[str, str]]]:
    def made(stack: WebhookStack) -> tuple[bytes, dict[str, str]]:
        body, at = line("bad-1"), stack.clock.now() + timedelta(seconds=ahead_s)
        return body, {SIGNATURE: signature(SECRET, at, body)}

    return made


REJECTED: dict[str, Callable[[WebhookStack], tuple[bytes, dict[str, str]]]] = {
    "signature_missing": lambda stack: (line("bad-1"), {}),
    "signature_wrong": lambda stack: (
        line("bad-1"),
        {SIGNATURE: signature(b"guessed", stack.clock.now(), line("bad-1"))},
    ),
    "signature_wrong (altered)": _altered,
    "too_old": _at(-301),
    "in_the_future": _at(302),
}


@pytest.mark.parametrize("reason", REJECTED)
def test_what_is_not_to_be_believed_is_turned_away_and_only_the_log_says_why(
    stack: WebhookStack, logged: pytest.LogCaptureFixture, reason: str
) -> None:
    before = row_counts(stack.database.owner_url)
    rejection = reason.partition(" ")[0]
    rejected = counted("payflow_webhooks_rejected_total", reason=rejection)
    body, headers = REJECTED[reason](stack)
    reply = stack.http.send("POST", f"/webhooks/{ACCOUNT}", body, x_correlation_id="corr-2", **headers)
    assert reply.error == UNAUTHENTICATED
    assert reply.json["error"]["message"] == "the webhook could not be verified"
    assert {"psp_account_id": ACCOUNT, "correlation_id": "corr-2"}.items() <= told(logged).items()
    assert told(logged)["rejection"] == rejection
    assert counted("payflow_webhooks_rejected_total", reason=rejection) == rejected + 1
    assert row_counts(stack.database.owner_url) == before


@pytest.mark.parametrize("bad", [b"no-event", line("e" * (EVENT_ID_MAX + 1)), line("\x01"), line("", "-")])
def test_one_bad_event_among_several_turns_the_whole_delivery_away(
    stack: WebhookStack, logged: pytest.LogCaptureFixture, bad: bytes
) -> None:
    before = row_counts(stack.database.owner_url)
    reply = stack.send(line("good-1"), bad, line("good-2"))
    assert (reply.error, reply.fields) == (VALIDATION_FAILED, ["body"])
    assert told(logged)["rejection"] == "malformed"
    assert row_counts(stack.database.owner_url) == before


def test_an_event_is_kept_once_however_often_and_with_whatever_it_is_delivered(
    stack: WebhookStack, logged: pytest.LogCaptureFixture
) -> None:
    received = counted("payflow_webhook_events_received_total", connector="acme")
    repeated = counted("payflow_webhook_events_repeated_total", connector="acme")
    first = line("twice-1", content=b"nothing")
    assert stack.send(first).status == 200
    assert stack.send(first).status == 200
    assert {"event_ids": ["twice-1"], "repeated": 1}.items() <= told(logged).items()
    assert stack.send(line("twice-2"), first, line("twice-2")).status == 200
    assert {"events": 3, "repeated": 2}.items() <= told(logged).items()
    kept = [row["event_id"] for row in stack.rows() if row["event_id"].startswith("twice")]
    assert kept == ["twice-1", "twice-2"]
    assert counted("payflow_webhook_events_received_total", connector="acme") == received + 5
    assert counted("payflow_webhook_events_repeated_total", connector="acme") == repeated + 3


def test_a_body_may_be_of_256_kib_and_not_a_byte_more(stack: WebhookStack) -> None:
    head = line("large-1", content=b"")
    largest = head + b"x" * (BODY_BYTES_MAX - len(head))
    assert stack.send(largest).status == 200
    assert stack.send(largest + b"x").error == TOO_LARGE
    assert stack.gateway.process.stderr is not None
    said = next(one for one in stack.gateway.process.stderr if "refused unread" in one)
    assert f"/webhooks/{ACCOUNT}" in said and "REQUEST_TOO_LARGE" in said
    with stack.gateway.connect() as connection:
        connection.request("POST", f"/webhooks/{ACCOUNT}", iter([largest, b"x"]), encode_chunked=True)
        assert read_answer(connection).error == TOO_LARGE
    request = pb.ReceiveWebhookRequest(psp_account_id=ACCOUNT, body=largest + b"x")
    with pytest.raises(ApiError) as refused:
        stack.caller.reply(stack.caller.webhooks.ReceiveWebhook, request)
    assert refused.value.reason == Reason.REQUEST_TOO_LARGE.name


def test_headers_are_bounded(stack: WebhookStack) -> None:
    many = {f"x-{number}": "" for number in range(HEADERS_MAX + 1)}
    for headers in (many, {"x": "y" * 20_000}):
        request = pb.ReceiveWebhookRequest(psp_account_id=ACCOUNT, headers=headers)
        with pytest.raises(ApiError) as refused:
            stack.caller.reply(stack.caller.webhooks.ReceiveWebhook, request)
        assert refused.value.fields == ["headers"]


@pytest.mark.parametrize(
    ("http_method", "path", "error"),
    [
        ("GET", f"/webhooks/{ACCOUNT}", (404, "NOT_FOUND", "ROUTE_NOT_FOUND")),
        ("PUT", f"/webhooks/{ACCOUNT}", (404, "NOT_FOUND", "ROUTE_NOT_FOUND")),
        ("POST", f"/webhooks/{ACCOUNT}/more", (404, "NOT_FOUND", "ROUTE_NOT_FOUND")),
        ("POST", "/webhooks/", (404, "NOT_FOUND", "ROUTE_NOT_FOUND")),
        ("POST", "/webhooks/nobodys", (404, "NOT_FOUND", "NOT_FOUND")),
        ("POST", f"/webhooks/{ACCOUNT}?merchant_id=nobody", (404, "NOT_FOUND", "NOT_FOUND")),
        ("POST", f"/webhooks/{ACCOUNT}?shop=1", VALIDATION_FAILED),
        ("POST", f"/webhooks/{ACCOUNT}?merchant_id=a&merchant_id=b", VALIDATION_FAILED),
        ("POST", "/webhooks/No%00body", VALIDATION_FAILED),
    ],
)
def test_other_methods_and_addresses_lead_nowhere(
    stack: WebhookStack, http_method: str, path: str, error: tuple[int, str, str]
) -> None:
    assert stack.http.send(http_method, path, line("nowhere")).error == error


def test_of_several_accounts_of_an_id_the_one_whose_secret_signed_is_meant(
    stack: WebhookStack, logged: pytest.LogCaptureFixture
) -> None:
    shop = "shop-of-its-own"
    for merchant_id, ref in ((stack.caller.merchant_id, ""), (shop, "SHOP")):
        _merchant(stack, merchant_id)
        stack.account("shared", ref=ref, merchant_id=merchant_id)
    assert stack.send(line("shared-1"), account="shared", secret=SHOP_SECRET).status == 200
    assert stack.row("shared-1")["credential_ref"] == "SHOP"
    assert stack.send(line("shared-2"), account="shared").status == 200
    assert stack.row("shared-2")["credential_ref"] == ""
    # Named, it is that merchant's or nobody's.
    named = f"shared?merchant_id={shop}"
    assert stack.send(line("shared-3"), account=named).error == UNAUTHENTICATED
    assert stack.send(line("shared-3"), account=named, secret=SHOP_SECRET).status == 200


def test_nobody_files_events_under_another_merchants_payments(stack: WebhookStack) -> None:
    _, reference = stack.reference()
    _merchant(stack, "stranger")
    stack.account("strange", ref="SHOP", merchant_id="stranger")
    assert stack.send(line("strange-1", reference), account="strange", secret=SHOP_SECRET).status == 200
    assert stack.row("strange-1")["merchant_id"] == ""


def test_what_came_closest_to_being_right_is_logged(
    stack: WebhookStack, logged: pytest.LogCaptureFixture
) -> None:
    _merchant(stack, "unready")
    stack.account("half-ready")
    stack.account("half-ready", ref="MISSING", merchant_id="unready")
    assert stack.send(line("close"), account="half-ready", secret=b"guessed").error == UNAUTHENTICATED
    assert told(logged)["rejection"] == "signature_wrong"
    alone = "half-ready?merchant_id=unready"
    assert stack.send(line("close"), account=alone).error == UNAUTHENTICATED
    assert told(logged)["rejection"] == "not_configured"


def _crowd(stack: WebhookStack, account: str, places: int) -> None:
    """Gives 300 merchants an account of the id; together these lead to so many places, SHOP among them."""
    insert = """
        INSERT INTO psp_accounts
        SELECT 'crowd-' || n, %s, 'acme', 'TEST', 0, 0, CASE WHEN n < %s THEN 'REF' || n ELSE 'SHOP' END,
               0, true, 1, now(), now()
        FROM generate_series(1, 300) AS n
    """
    with psycopg.connect(stack.database.owner_url, autocommit=True) as connection:
        connection.execute(insert, [account, places])


def test_an_id_that_leads_to_too_many_places_needs_its_merchant(
    stack: WebhookStack, logged: pytest.LogCaptureFixture
) -> None:
    _crowd(stack, "crowd", 20)
    assert stack.send(line("crowd-1"), account="crowd", secret=SHOP_SECRET).status == 200
    _crowd(stack, "throng", 21)
    refused = stack.send(line("crowd-2"), account="throng", secret=SHOP_SECRET)
    assert refused.error == (400, "FAILED_PRECONDITION", "LIMIT_REACHED")
    assert "merchant_id" in refused.json["error"]["message"]
    assert told(logged)["rejection"] == "ambiguous_account"
    named = "throng?merchant_id=crowd-300"
    assert stack.send(line("crowd-2"), account=named, secret=SHOP_SECRET).status == 200


def test_a_delivery_is_one_insert_and_waits_for_no_worker(
    stack: WebhookStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, reference = stack.reference()
    assert stack.send(line("before", reference)).status == 200
    statements: list[object] = []
    execute = PooledConnection.execute

    def noting(connection: PooledConnection, query: Any, *arguments: Any, **options: Any) -> Any:
        statements.append(query)
        return execute(connection, query, *arguments, **options)

    monkeypatch.setattr(PooledConnection, "execute", noting)
    events = [line(f"one-{number}", reference, b"nothing") for number in range(50)]
    assert stack.send(*events).status == 200
    # What is remembered of accounts may have become old meanwhile.
    assert [one for one in statements if "INSERT" in str(one)] == [webhook_inbox.ADD]
    assert not [one for one in statements if "webhook_inbox" in str(one) and one != webhook_inbox.ADD]
    rows = [row for row in stack.rows() if row["event_id"].startswith("one-")]
    assert [row["position"] for row in rows] == list(range(50))
    assert {(row["state"], row["tries"]) for row in rows} == {("PENDING", 0)}


def test_a_database_that_is_away_makes_the_psp_send_again(
    stack: WebhookStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stack.send(line("away-1")).status == 200
    name = stack.database.owner_url.partition("?")[0].rpartition("/")[2]
    allow = "ALTER DATABASE {} ALLOW_CONNECTIONS {}"
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    elsewhere = stack.database.owner_url.replace(f"/{name}?", "/postgres?")
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute(allow.format(name, "false").encode())
        try:
            connection.execute(cut, [name])
            with monkeypatch.context() as impatient:
                for pool in (stack.core.pool, stack.core.writes):
                    impatient.setattr(pool, "_limits", replace(pool._limits, wait_max_s=0.5))
                refused = stack.send(line("away-2"))
        finally:
            connection.execute(allow.format(name, "true").encode())
    assert refused.error == (503, "UNAVAILABLE", "DATABASE_UNAVAILABLE")
    assert int(refused.headers["retry-after"]) >= 1
    wait_until(lambda: stack.send(line("away-2")).status == 200)
    assert stack.row("away-2")["state"] == "PENDING"


def _merchant(stack: WebhookStack, merchant_id: str) -> None:
    """Makes a merchant, by its first payment."""
    request = CreatePaymentIntentRequest(merchant_id=merchant_id, amount=1, currency="USD")
    stack.caller.reply(stack.caller.intents.CreatePaymentIntent, request)
