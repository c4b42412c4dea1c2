"""Webhooks and their payments: told late, twice, in the wrong order, or by somebody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from payflow.v1 import payment_intent_pb2 as pb
from tests.audit import events_of
from tests.books import assert_books_right
from tests.databases import Database
from tests.ports import free_port
from tests.signed_webhooks import line
from tests.simulators import running_simulator
from tests.waiting import WAIT_S, wait_until
from tests.webhook_stack import BOLT, WebhookStack, webhook_stack

AN_HOUR_S = "3600"
ONE_APPLIED = b'payflow_webhook_events_settled_total{connector="acme",state="applied"} 1.0'
AUTHORIZED = pb.PAYMENT_INTENT_STATUS_AUTHORIZED
PROCESSING = pb.PAYMENT_INTENT_STATUS_PROCESSING


@pytest.fixture(scope="module")
def stack(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookStack]:
    data = tmp_path_factory.mktemp("simulator") / "simulator.sqlite"
    with (
        running_simulator(data, silence_s=0) as simulator,
        webhook_stack(database, SIMULATOR_URL=simulator.url) as running,
    ):
        yield running


def unanswered(stack: WebhookStack) -> tuple[str, str]:
    """A payment whose authorization the PSP did not answer, and the key that it was asked under."""
    intent_id = stack.caller.create().id
    assert stack.caller.authorize(intent_id, "pm_card_timeout").status == PROCESSING
    return intent_id, f"{intent_id}-1"


def approved(key: str) -> bytes:
    return b"approved " + key.encode()


def outcome(stack: WebhookStack, event_id: str) -> tuple[str, str]:
    row = stack.row(event_id)
    return row["state"], row["detail"]


def test_a_webhook_tells_what_became_of_an_unanswered_call(stack: WebhookStack) -> None:
    intent_id, key = unanswered(stack)
    stack.send(line("t-1", key, approved(key)))
    assert stack.caller.get(intent_id).status == PROCESSING
    stack.work()
    assert outcome(stack, "t-1") == ("APPLIED", "")
    known = stack.caller.get(intent_id)
    assert (known.status, known.authorized_amount, known.psp_payment_id) == (AUTHORIZED, 10_000, f"psp_{key}")
    assert_books_right(stack.database.owner_url)


def test_repeated_and_older_webhooks_change_nothing(stack: WebhookStack) -> None:
    intent_id, key = unanswered(stack)
    stack.send(line("r-1", key, approved(key)))
    stack.work()
    history = events_of(stack.database.owner_url, intent_id)
    stack.send(line("r-1", key, approved(key)), line("r-2", key, approved(key)))
    stack.send(line("r-3", key, b"declined " + key.encode()))
    assert stack.work() == 2
    assert [outcome(stack, f"r-{number}") for number in (1, 2, 3)] == [
        ("APPLIED", ""),
        ("APPLIED", "nothing new"),
        ("APPLIED", "nothing new"),
    ]
    assert events_of(stack.database.owner_url, intent_id) == history
    assert_books_right(stack.database.owner_url)


def test_what_does_not_fit_is_parked_and_changes_nothing(stack: WebhookStack) -> None:
    intent_id, key = unanswered(stack)
    history = events_of(stack.database.owner_url, intent_id)
    stack.account("bolt-main", BOLT)
    nowhere = f"{intent_id[:3]}{intent_id[3:-6][::-1]}{intent_id[-6:]}-1"
    stack.send(line("p-1", key, approved(key)), account="bolt-main")
    stack.send(line("p-2", key, approved(f"{intent_id}-9")), line("p-3", nowhere, approved(nowhere)))
    stack.work()
    state, detail = outcome(stack, "p-1")
    assert state == "PARKED" and "came through another PSP account" in detail
    assert outcome(stack, "p-2")[0] == outcome(stack, "p-3")[0] == "PARKED"
    assert outcome(stack, "p-3")[1].startswith("NOT_FOUND")
    assert events_of(stack.database.owner_url, intent_id) == history
    assert stack.caller.get(intent_id).status == PROCESSING


def started(stack: WebhookStack, log: Path, **environment: str) -> subprocess.Popen[bytes]:
    """``payflow worker``, see tests.killable_worker."""
    settings = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": stack.database.application_url,
        # What is found here is found by webhooks: nobody asks the PSP.
        "SIMULATOR_URL": "http://127.0.0.1:1",
    }
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.killable_worker"],
            env=settings | environment,
            stdout=output,
            stderr=output,
        )


@pytest.mark.parametrize(
    ("dies", "left", "detail"),
    [("before", PROCESSING, ""), ("behind", AUTHORIZED, "nothing new")],
    ids=["before applying it", "before saying so"],
)
def test_another_worker_finishes_what_a_killed_one_had_taken(
    stack: WebhookStack, tmp_path: Path, dies: str, left: int, detail: str
) -> None:
    intent_id, key = unanswered(stack)
    event_id = f"killed-{dies}"
    stack.send(line(event_id, key, approved(key)))
    dying = started(stack, tmp_path / "dying.log", CLOCK_AHEAD_S="1", DIES=dies)
    assert dying.wait(WAIT_S) == -signal.SIGKILL, (tmp_path / "dying.log").read_text()
    assert (stack.row(event_id)["state"], stack.row(event_id)["tries"]) == ("PENDING", 1)
    assert stack.caller.get(intent_id).status == left
    port = str(free_port())
    other = started(stack, tmp_path / "other.log", CLOCK_AHEAD_S=AN_HOUR_S, WORKER_PROMETHEUS_PORT=port)
    try:
        wait_until(lambda: stack.row(event_id)["state"] != "PENDING")
        wait_until(lambda: ONE_APPLIED in urllib3.request("GET", f"http://127.0.0.1:{port}/metrics").data)
    finally:
        other.terminate()
        assert other.wait(WAIT_S) == 0, (tmp_path / "other.log").read_text()
    assert (*outcome(stack, event_id), stack.row(event_id)["tries"]) == ("APPLIED", detail, 2)
    assert stack.caller.get(intent_id).status == AUTHORIZED
    assert events_of(stack.database.owner_url, intent_id).count("payment_intent.authorized") == 1
    assert_books_right(stack.database.owner_url)
