"""What operators see of dead letters and do about them, over gRPC, HTTP and the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from typing import Any
from uuid import uuid4

import grpc
import pytest
from click.testing import CliRunner, Result
from psycopg import Connection

from payflow.domain.dead_letter import LetterKey
from payflow.domain.dead_letter_events import aggregate_id
from payflow.events.replay.rebuilding import rebuilt
from payflow.store.consumers import dead_letters, inbox
from payflow.store.replay.fresh_tables import FreshTables
from payflow.v1 import dead_letter_pb2 as pb
from payflow.wire.events import from_payload
from server.cli.main import main
from server.cli.remote import dead_letter_service
from server.wiring import Core
from tests.dead_letters import CONSUMER, NOW, connected, given_up, letter
from tests.in_process import served
from tests.payments import ApiError
from tests.waiting import WAIT_S
from tests.webhook_stack import WebhookStack

NOT_FOUND = (404, "NOT_FOUND", "NOT_FOUND")
NOT_PARKED = (400, "FAILED_PRECONDITION", "INVALID_STATE_TRANSITION")
REASON = {"reason": "the customer is gone"}
EVENTS = """
    SELECT aggregate_version, type FROM events WHERE merchant_id = %s AND aggregate_id = %s ORDER BY 1
"""
STATES = """
    SELECT aggregate_version, state FROM dead_letters
    WHERE merchant_id = %s AND consumer = %s AND aggregate_id = %s ORDER BY 1
"""


@pytest.fixture
def connection(stack: WebhookStack) -> Iterator[Connection[dict[str, Any]]]:
    with connected(stack.database.application_url) as one:
        one.autocommit = True
        yield one


def parked(
    connection: Connection[dict[str, Any]], stack: WebhookStack, behind: int = 2, aggregate: str = ""
) -> LetterKey:
    """The first event of an intent, parked, and others behind it."""
    merchant_id = stack.caller.merchant_id
    owner = aggregate or stack.caller.create().id
    first, *others = (letter(version, owner, merchant_id) for version in range(1, behind + 2))
    dead_letters.park(connection, CONSUMER, [given_up(first)], NOW)
    dead_letters.append(connection, CONSUMER, others, NOW)
    return LetterKey(merchant_id, CONSUMER, owner, 1)


def path(key: LetterKey) -> str:
    return f"/v1/dead_letters/{key.id}"


def states(connection: Connection[dict[str, Any]], key: LetterKey) -> dict[int, str]:
    found = connection.execute(STATES, astuple(key)[:3])
    return {row["aggregate_version"]: row["state"] for row in found}


def done(connection: Connection[dict[str, Any]], key: LetterKey) -> list[str]:
    """What is written down about a merchant's dead letters, numbered without gaps."""
    found = connection.execute(EVENTS, [key.merchant_id, aggregate_id(key.merchant_id)]).fetchall()
    assert [row["aggregate_version"] for row in found] == list(range(1, len(found) + 1))
    return [row["type"] for row in found]


def listed(stack: WebhookStack, query: str) -> list[tuple[str, int]]:
    """Ids and how many are behind, of every page, each of one letter."""
    found, token = [], ""
    while True:
        page = stack.http.get(f"/v1/dead_letters?page_size=1&page_token={token}{query}")
        assert page.status == 200, page.json
        found += [(one["id"], one["behind"]) for one in page.json["dead_letters"]]
        token = page.json["next_page_token"]
        if not token:
            return found


def test_lists_are_filtered_and_paged(stack: WebhookStack, connection: Connection[dict[str, Any]]) -> None:
    key = parked(connection, stack)
    dead_letters.park(connection, "fulfilment", [given_up(letter(7, key.aggregate_id, "another_shop"))], NOW)
    own = f"&merchant_id={key.merchant_id}&consumer={CONSUMER}"
    ids = [f"{CONSUMER}:{key.aggregate_id}:{version}" for version in (1, 2, 3)]
    assert (ids[0], 2) in listed(stack, f"{own}&state=parked")
    assert [one for one in listed(stack, own) if one[0] in ids] == [(ids[0], 2), (ids[1], 1), (ids[2], 0)]
    assert {one for one, _ in listed(stack, f"{own}&state=waiting")} >= set(ids[1:])
    assert listed(stack, "&consumer=fulfilment") == [(f"fulfilment:{key.aggregate_id}:7", 0)]
    assert listed(stack, "&merchant_id=another_shop&state=waiting") == []
    assert len(listed(stack, "&state=parked")) >= 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("merchant_id=%20", "merchant_id"),
        ("consumer=Billing", "consumer"),
        ("state=discarded", "state"),
        ("state=lost", "state"),
        ("page_size=501", "page_size"),
        ("page_token=x", "page_token"),
    ],
)
def test_what_a_list_cannot_be_of(stack: WebhookStack, query: str, field: str) -> None:
    assert stack.http.get(f"/v1/dead_letters?{query}").fields == [field]


def test_one_is_shown_with_its_headers_and_data(
    stack: WebhookStack, connection: Connection[dict[str, Any]]
) -> None:
    key = parked(connection, stack)
    shown = stack.http.get(path(key)).json
    assert shown == {
        "id": key.id,
        "consumer": CONSUMER,
        "merchant_id": key.merchant_id,
        "aggregate_id": key.aggregate_id,
        "aggregate_version": 1,
        "type": "payment_intent.captured",
        "state": "parked",
        "error": "no such customer",
        "tries": 5,
        "parked_at": "2026-06-01T00:00:00Z",
        "behind": 2,
        "headers": {"ce_id": f"{key.aggregate_id}:1", "ce_type": "payment_intent.captured"},
        "data": '{"version": 1}',
    }


def test_what_is_not_there_or_anothers_is_not_found(
    stack: WebhookStack, connection: Connection[dict[str, Any]]
) -> None:
    key = parked(connection, stack)
    assert stack.http.get(f"{path(key)}?merchant_id=another").error == NOT_FOUND
    assert stack.http.post(f"{path(key)}/retry", {"merchant_id": "another"}).error == NOT_FOUND
    for identifier in (f"{key.id}0", f"other-{key.id}", "nonsense", f"{CONSUMER}:{key.aggregate_id}:0"):
        assert stack.http.get(f"/v1/dead_letters/{identifier}").error == NOT_FOUND
        assert stack.http.post(f"/v1/dead_letters/{identifier}/discard", REASON).error == NOT_FOUND


def test_an_id_that_does_not_tell_its_merchant_needs_it(
    stack: WebhookStack, connection: Connection[dict[str, Any]]
) -> None:
    key = parked(connection, stack, behind=0, aggregate="account:main/cash")
    address = f"/v1/dead_letters/{key.id.replace('/', '%2F')}"
    assert stack.http.get(address).fields == ["merchant_id"]
    assert stack.http.get(f"{address}?merchant_id={key.merchant_id}").json["id"] == key.id
    assert stack.http.get(f"{address}?merchant_id=another").error == NOT_FOUND


def test_a_retry_is_asked_for_once_and_is_an_event(
    stack: WebhookStack, connection: Connection[dict[str, Any]]
) -> None:
    key = parked(connection, stack)
    before = done(connection, key)
    assert stack.http.post(f"{path(key)}/retry", key="").fields == ["idempotency-key"]
    retried = stack.http.post(f"{path(key)}/retry", key=f"again {key.id}")
    assert (retried.status, retried.json["state"], retried.json["behind"]) == (200, "retrying", 2)
    assert states(connection, key) == {1: "RETRYING", 2: "RETRYING", 3: "RETRYING"}
    # It fails again: the key's repeat does not ask once more, and another key does.
    [failed, *_] = dead_letters.take(connection, CONSUMER, (key.merchant_id, key.aggregate_id), 9)
    dead_letters.park_again(connection, failed, "still", 1, NOW)
    assert stack.http.post(f"{path(key)}/retry", key=f"again {key.id}").json == retried.json
    assert states(connection, key) == {1: "PARKED", 2: "WAITING", 3: "WAITING"}
    assert stack.http.post(f"{path(key)}/retry").json["tries"] == 6
    assert stack.http.post(f"{path(key)}/retry").error == NOT_PARKED
    assert done(connection, key) == [*before, "dead_letter.retried", "dead_letter.retried"]


def test_a_discard_needs_a_reason_is_an_event_and_lets_the_others_go_on(
    stack: WebhookStack, connection: Connection[dict[str, Any]]
) -> None:
    key = parked(connection, stack)
    before = done(connection, key)
    for reason in ("", "  ", "x" * 501):
        refused = stack.http.post(f"{path(key)}/discard", {"reason": reason})
        assert refused.fields == ["reason"]
    behind = f"/v1/dead_letters/{CONSUMER}:{key.aggregate_id}:2/discard"
    assert stack.http.post(behind, REASON).error == NOT_PARKED
    discarded = stack.http.post(f"{path(key)}/discard", REASON, key=f"gone {key.id}")
    assert (discarded.status, discarded.json["state"]) == (200, "discarded")
    assert states(connection, key) == {2: "RETRYING", 3: "RETRYING"}
    aggregate = (key.merchant_id, key.aggregate_id)
    assert inbox.applied(connection, CONSUMER, [aggregate]) == {aggregate: 1}
    assert stack.http.post(f"{path(key)}/discard", REASON, key=f"gone {key.id}").json == discarded.json
    assert stack.http.post(f"{path(key)}/discard", REASON).error == NOT_FOUND
    assert done(connection, key) == [*before, "dead_letter.discarded"]


def test_an_event_says_who_discarded_what_and_why(
    stack: WebhookStack, connection: Connection[dict[str, Any]]
) -> None:
    key = parked(connection, stack)
    stack.http.post(f"{path(key)}/discard", REASON)
    tables = FreshTables(stack.database.application_url)
    try:
        stored = [one for one in tables.events() if one.aggregate_id == aggregate_id(key.merchant_id)]
        assert list(rebuilt(stored)) == []
    finally:
        tables.close()
    event: Any = from_payload(stored[-1].type, stored[-1].schema_version, stored[-1].payload)
    assert (event.consumer, event.aggregate_id, event.aggregate_version) == (CONSUMER, key.aggregate_id, 1)
    assert (event.event_type, event.reason) == ("payment_intent.captured", "the customer is gone")


def test_of_a_retry_that_succeeds_and_a_discard_one_is_told_that_it_came_too_late(
    stack: WebhookStack, connection: Connection[dict[str, Any]]
) -> None:
    """The consumer holds the letter when the discard arrives; and operators' calls race for others."""
    key = parked(connection, stack, behind=0)
    stack.http.post(f"{path(key)}/retry")
    with connected(stack.database.application_url) as consumer, ThreadPoolExecutor(1) as executor:
        taken = dead_letters.take(consumer, CONSUMER, (key.merchant_id, key.aggregate_id), 9)
        assert stack.http.post(f"{path(key)}/discard", REASON).error == NOT_PARKED
        dead_letters.park_again(consumer, taken[0], "still", 1, NOW)
        waiting = executor.submit(lambda: stack.http.post(f"{path(key)}/discard", REASON))
        consumer.commit()
        assert waiting.result(WAIT_S).status in (200, 400)


def test_of_two_operators_at_once_one_wins_and_the_other_is_told(
    stack: WebhookStack, connection: Connection[dict[str, Any]]
) -> None:
    """Each at a server of its own, so that only the database decides."""
    core = Core(stack.core.settings, stack.clock)
    try:
        with (
            served(core, core.settings) as address,
            dead_letter_service(stack.address) as one,
            dead_letter_service(address) as other,
            ThreadPoolExecutor(2) as executor,
        ):
            for _ in range(10):
                key = parked(connection, stack)
                discard = pb.DiscardDeadLetterRequest(id=key.id, reason="gone")
                calls = [
                    executor.submit(succeeds, one.RetryDeadLetter, pb.RetryDeadLetterRequest(id=key.id)),
                    executor.submit(succeeds, other.DiscardDeadLetter, discard),
                ]
                retried, discarded = (one.result(WAIT_S) for one in calls)
                assert retried is not discarded
                assert states(connection, key) == {n: "RETRYING" for n in (1, 2, 3) if n > 1 or retried}
    finally:
        core.close()


def succeeds(method: Any, request: Any) -> bool:
    """Whether a call is answered; the other answer is that it came too late."""
    try:
        method(request, timeout=WAIT_S, metadata=(("idempotency-key", uuid4().hex),))
    except grpc.RpcError as error:
        assert ApiError(error).reason in ("NOT_FOUND", "INVALID_STATE_TRANSITION")
        return False
    return True


def command(stack: WebhookStack, *arguments: str) -> Result:
    """`payflow dlq` as an operator runs it."""
    return CliRunner().invoke(main, ["dlq", *arguments, "--address", stack.address])


def printed(stack: WebhookStack, *arguments: str) -> Any:
    """What it prints with --json."""
    result = command(stack, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_command_lists_shows_retries_and_discards(
    stack: WebhookStack, connection: Connection[dict[str, Any]]
) -> None:
    key = parked(connection, stack)
    table = command(stack, "list", "--consumer", CONSUMER).stdout.splitlines()
    assert table[0].split() == [
        *("ID", "MERCHANT_ID", "TYPE", "STATE", "TRIES", "BEHIND", "PARKED_AT", "ERROR"),
    ]
    [row] = [one for one in table if key.id in one]
    assert row.endswith("no such customer")
    everything = printed(stack, "list", "--state", "all", "--merchant", key.merchant_id)
    assert next(one["id"] for one in everything if key.aggregate_id in one["id"]) == key.id
    cut = command(stack, "list", "--state", "all", "--limit", "1")
    assert len(cut.stdout.splitlines()) == 2
    assert cut.stderr == "there are more than 1; see --limit\n"
    assert printed(stack, "show", key.id)["data"] == '{"version": 1}'
    assert printed(stack, "retry", key.id)["state"] == "retrying"
    late = command(stack, "discard", key.id, "--reason", "gone")
    assert late.exit_code == 1 and "is retrying, not parked" in late.stderr
    other = parked(connection, stack)
    assert printed(stack, "discard", other.id, "--reason", "gone")["state"] == "discarded"
    assert command(stack, "discard", other.id).exit_code == 2
