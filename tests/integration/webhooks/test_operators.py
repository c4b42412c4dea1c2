"""What operators see of the inbox and do about it, over gRPC, HTTP and the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner, Result

from payflow.domain.webhook import KEPT_FOR
from payflow.store.webhooks.cleaner import delete_old
from payflow.v1 import webhook_pb2 as pb
from server.cli.main import main
from tests.payments import ApiError
from tests.signed_webhooks import line
from tests.webhook_stack import WebhookStack

NOT_FOUND = (404, "NOT_FOUND", "NOT_FOUND")


@dataclass(frozen=True, slots=True)
class Inbox:
    """Ids by event: `bad` is parked, `good` ignored, `new` pending; `stray` names no payment of ours."""

    merchant_id: str
    ids: dict[str, str]


@pytest.fixture(scope="module")
def inbox(stack: WebhookStack) -> Inbox:
    _, reference = stack.reference()
    stack.send(line("bad", reference, b"\xffnonsense"), line("stray", content=b"nonsense"))
    while stack.work():
        stack.clock.forward(hours=1)
    stack.send(line("good", reference))
    stack.work()
    stack.clock.forward(seconds=1)
    stack.send(line("new", reference))
    stack.clock.forward(seconds=1)
    return Inbox(stack.caller.merchant_id, {row["event_id"]: row["id"] for row in stack.rows()})


def listed(stack: WebhookStack, query: str) -> list[str]:
    """The events of every page, each of one event."""
    found, token = [], ""
    while True:
        page = stack.http.get(f"/v1/webhooks?page_size=1&page_token={token}{query}")
        assert page.status == 200, page.json
        found += [one["event_id"] for one in page.json["webhooks"]]
        token = page.json["next_page_token"]
        if not token:
            return found


def test_lists_are_filtered_and_paged_newest_first(stack: WebhookStack, inbox: Inbox) -> None:
    own = f"&merchant_id={inbox.merchant_id}"
    assert listed(stack, "&state=parked") in (["bad", "stray"], ["stray", "bad"])
    assert listed(stack, "&state=pending") == ["new"]
    assert listed(stack, own) == ["new", "good", "bad"]
    assert listed(stack, f"{own}&state=parked") == ["bad"]
    assert listed(stack, f"{own}&state=ignored&psp_account_id=acme-main") == ["good"]
    assert listed(stack, f"{own}&state=parked&psp_account_id=another") == []
    assert listed(stack, f"{own}&psp_account_id=another") == []
    assert listed(stack, "&merchant_id=another&state=parked") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "merchant_id"),
        ("state=applied", "merchant_id"),
        ("merchant_id=%20", "merchant_id"),
        ("merchant_id=shop&psp_account_id=A", "psp_account_id"),
        ("state=lost", "state"),
        ("state=parked&page_size=501", "page_size"),
        ("state=parked&page_token=x", "page_token"),
    ],
)
def test_what_a_list_cannot_be_of(stack: WebhookStack, query: str, field: str) -> None:
    assert stack.http.get(f"/v1/webhooks?{query}").fields == [field]


def test_one_event_is_shown_with_its_content(stack: WebhookStack, inbox: Inbox) -> None:
    shown = stack.http.get(f"/v1/webhooks/{inbox.ids['bad']}").json
    assert (shown["content"], shown["state"], shown["tries"]) == ("\ufffdnonsense", "parked", 3)
    assert (shown["detail"], shown["merchant_id"]) == ("ValueError; the log says more", inbox.merchant_id)
    assert "settled_at" in shown and "due_at" not in shown
    stray = stack.http.get(f"/v1/webhooks/{inbox.ids['stray']}").json
    assert (stray["content"], stray["merchant_id"], stray["payment_intent_id"]) == ("nonsense", "", "")
    waiting = stack.http.get(f"/v1/webhooks/{inbox.ids['new']}").json
    assert "settled_at" not in waiting and "due_at" in waiting


def test_what_is_not_there_or_anothers_is_not_found(stack: WebhookStack, inbox: Inbox) -> None:
    kept = inbox.ids["bad"]
    another = kept[:-7] + ("y" if kept[-7] == "z" else "z") + kept[-6:]
    for webhook_id in ("wh_1", another, "wh_" + "0" * 26):
        assert stack.http.get(f"/v1/webhooks/{webhook_id}").error == NOT_FOUND
        assert stack.http.post(f"/v1/webhooks/{webhook_id}/retry").error == NOT_FOUND
    for event in ("bad", "stray"):
        path = f"/v1/webhooks/{inbox.ids[event]}"
        assert stack.http.get(f"{path}?merchant_id=another").error == NOT_FOUND
        assert stack.http.post(f"{path}/retry", {"merchant_id": "another"}).error == NOT_FOUND


def test_a_retry_needs_a_key_and_changes_only_what_is_parked(stack: WebhookStack, inbox: Inbox) -> None:
    _, reference = stack.reference()
    stack.send(line("fixed", reference, b"ask"))
    stack.acme.is_silent = True
    while stack.work():
        stack.clock.forward(hours=1)
    stack.acme.is_silent = False
    path = f"/v1/webhooks/{stack.row('fixed')['id']}"
    assert stack.http.get(path).json["state"] == "parked"
    assert stack.http.post(f"{path}/retry", key="").fields == ["idempotency-key"]
    retried = stack.http.post(f"{path}/retry", key="again")
    assert (retried.status, retried.json["state"], retried.json["tries"]) == (200, "pending", 0)
    assert stack.http.post(f"{path}/retry", key="again").json == retried.json
    assert stack.work() == 1
    done = stack.http.post(f"{path}/retry", key="again").json
    assert (done["state"], done["tries"]) == ("ignored", 1)
    assert stack.http.get(path).json == done
    assert stack.work() == 0


def command(stack: WebhookStack, *arguments: str) -> Result:
    """`payflow webhooks` as an operator runs it."""
    return CliRunner().invoke(main, ["webhooks", *arguments, "--address", stack.address])


def printed(stack: WebhookStack, *arguments: str) -> Any:
    """What it prints with --json."""
    result = command(stack, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_command_lists_what_is_parked(stack: WebhookStack, inbox: Inbox) -> None:
    table = command(stack, "list").stdout.splitlines()
    assert table[0].split() == [
        "ID",
        "MERCHANT_ID",
        "PSP_ACCOUNT_ID",
        "EVENT_ID",
        "STATE",
        "TRIES",
        "RECEIVED_AT",
        "DETAIL",
    ]
    assert {line.split()[0] for line in table[1:]} == {inbox.ids["bad"], inbox.ids["stray"]}
    [row] = [one for one in table if inbox.ids["bad"] in one]
    assert row.endswith("ValueError; the log says more")
    own = ("list", "--state", "all", "--merchant", inbox.merchant_id, "--psp-account", "acme-main")
    events = [one["event_id"] for one in printed(stack, *own)]
    assert events[-3:] == ["new", "good", "bad"]
    cut = command(stack, *own, "--limit", "1")
    assert len(cut.stdout.splitlines()) == 2
    assert cut.stderr == "there are more than 1; see --limit\n"
    refused = command(stack, "list", "--state", "all")
    assert refused.exit_code == 1
    assert "merchant_id: is required unless state is PENDING or PARKED" in refused.stderr


def test_the_command_shows_and_retries_one(stack: WebhookStack, inbox: Inbox) -> None:
    shown = command(stack, "show", inbox.ids["stray"]).stdout
    assert "content            nonsense" in shown.splitlines()
    assert printed(stack, "retry", inbox.ids["stray"])["state"] == "pending"
    while stack.work():
        stack.clock.forward(hours=1)
    assert printed(stack, "show", inbox.ids["stray"])["state"] == "parked"


def test_an_operator_who_speaks_for_a_merchant_sees_nobodys_events_as_little_as_anothers(
    stack: WebhookStack, inbox: Inbox
) -> None:
    with pytest.raises(ApiError) as refused:
        request = pb.GetWebhookRequest(id=inbox.ids["stray"], merchant_id=inbox.merchant_id)
        stack.caller.reply(stack.caller.webhooks.GetWebhook, request)
    assert refused.value.reason == "NOT_FOUND"


def test_a_discard_needs_a_reason_and_a_parked_event(stack: WebhookStack, inbox: Inbox) -> None:
    _, reference = stack.reference()
    stack.send(line("hopeless", reference, b"\xffnonsense"))
    path = f"/v1/webhooks/{stack.row('hopeless')['id']}"
    pending = stack.http.post(f"{path}/discard", {"reason": "too early"})
    assert pending.error == (400, "FAILED_PRECONDITION", "INVALID_STATE_TRANSITION")
    while stack.work():
        stack.clock.forward(hours=1)
    for reason in ("", " ", "x" * 501):
        assert stack.http.post(f"{path}/discard", {"reason": reason}).fields == ["reason"]
    assert stack.http.post(f"{path}/discard", {"reason": "gone"}, key="").fields == ["idempotency-key"]
    discarded = stack.http.post(f"{path}/discard", {"reason": "gone"}).json
    assert (discarded["state"], discarded["detail"]) == ("discarded", "gone")
    assert stack.http.post(f"{path}/discard", {"reason": "again"}).json == discarded
    assert stack.http.post(f"{path}/retry").json == discarded
    assert stack.work() == 0
    stack.clock.forward(seconds=KEPT_FOR.total_seconds())
    assert delete_old(stack.core.writes, stack.clock.now(), float("inf")) > 0
    assert stack.http.get(path).error == NOT_FOUND


def test_the_command_discards_one(stack: WebhookStack) -> None:
    stack.send(line("foreign", content=b"nonsense"))
    while stack.work():
        stack.clock.forward(hours=1)
    webhook_id = stack.row("foreign")["id"]
    discarded = printed(stack, "discard", webhook_id, "--reason", "another system's")
    assert (discarded["state"], discarded["detail"]) == ("discarded", "another system's")
    assert webhook_id not in command(stack, "list").stdout
    assert command(stack, "discard", webhook_id).exit_code == 2
