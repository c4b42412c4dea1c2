"""What operators see of PSP calls without an outcome, and what they get when they ask at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result

from payflow.v1 import payment_intent_pb2 as pb
from payflow.v1.payment_types_pb2 import OPERATION_TYPE_AUTHORIZE, OPERATION_TYPE_REFUND
from server.cli.main import main
from tests.audit import attempts_of, effects_by_intent
from tests.books import assert_books_right, assert_psp_agrees
from tests.databases import Database
from tests.in_process import InProcess, in_process, served
from tests.payments import ApiError, Caller
from tests.waiting import WAIT_S

AUTHORIZED, PROCESSING = pb.PAYMENT_INTENT_STATUS_AUTHORIZED, pb.PAYMENT_INTENT_STATUS_PROCESSING
# Long enough that every check that recovery makes is due.
A_DAY_S = 86_400
OTHER = "another_merchant"


@pytest.fixture
def payflow(new_database: Callable[[], Database], tmp_path: Path) -> Iterator[InProcess]:
    with in_process(new_database(), tmp_path) as running:
        yield running
        assert_books_right(running.url)


def unanswered(caller: Caller, payment_method: str = "pm_card_timeout") -> str:
    """A payment whose authorization the PSP made, or not, and did not tell."""
    intent_id: str = caller.create().id
    assert caller.authorize(intent_id, payment_method).status == PROCESSING
    return intent_id


def listed(caller: Caller, **request: Any) -> pb.ListStuckOperationsResponse:
    reply = caller.reply(caller.intents.ListStuckOperations, pb.ListStuckOperationsRequest(**request))
    assert isinstance(reply.message, pb.ListStuckOperationsResponse)
    return reply.message


def resolved(caller: Caller, intent_id: str, **request: Any) -> Any:
    request = {"id": intent_id} | request
    return caller.reply(
        caller.intents.ResolvePaymentIntent, pb.ResolvePaymentIntentRequest(**request)
    ).message


def parked(payflow: InProcess) -> str:
    """A payment whose PSP was asked as often as it is, and never answered."""
    payflow.connector.loses_answers = True
    intent_id = unanswered(payflow.caller, "pm_card_visa")
    while attempts_of(payflow.url, intent_id)[0]["state"] != "PARKED":
        payflow.clock.forward(seconds=A_DAY_S)
        assert payflow.recovery.attempts() == 1
    payflow.connector.loses_answers = False
    return intent_id


def test_what_the_psp_did_not_answer_is_listed_with_its_age_until_it_is_known(payflow: InProcess) -> None:
    started_at = payflow.clock.now()
    intent_id = unanswered(payflow.caller)
    payflow.clock.forward(seconds=59.9)
    assert not listed(payflow.caller).operations
    payflow.clock.forward(seconds=0.1)
    [found] = listed(payflow.caller).operations
    [attempt] = attempts_of(payflow.url, intent_id)
    assert (found.payment_intent_id, found.merchant_id) == (intent_id, payflow.caller.merchant_id)
    assert (found.attempt_id, found.psp_key) == (attempt["id"], attempt["psp_key"])
    assert (found.type, found.amount, found.currency) == (OPERATION_TYPE_AUTHORIZE, 10_000, "USD")
    assert (found.psp, found.psp_account_id) == ("simulator", "simulator")
    assert (found.state, found.checks, found.age_s) == (pb.STUCK_STATE_UNKNOWN, 1, 60)
    assert found.since.ToDatetime(UTC) == started_at
    assert found.next_check_at.ToDatetime(UTC) == started_at + timedelta(seconds=5)

    assert payflow.recovery.attempts() == 1
    assert not listed(payflow.caller, age_min_s=0).operations


def test_a_refund_without_an_answer_is_listed_as_one(payflow: InProcess) -> None:
    intent_id = payflow.caller.captured().id
    payflow.connector.loses_answers = True
    refund = payflow.caller.refund(intent_id, 4_000)
    [found] = listed(payflow.caller, age_min_s=0).operations
    assert (found.type, found.refund_id, found.amount) == (OPERATION_TYPE_REFUND, refund.id, 4_000)
    payflow.connector.loses_answers = False
    assert resolved(payflow.caller, intent_id).refunded_amount == 4_000


def test_pages_and_merchants(payflow: InProcess) -> None:
    with (
        served(payflow.core, payflow.settings) as address,
        Caller(address, OTHER) as other,
    ):
        intents = []
        for caller in (payflow.caller, other, payflow.caller, other):
            intents.append(unanswered(caller))
            payflow.clock.forward(seconds=1)
    every = listed(payflow.caller, age_min_s=0).operations
    assert [one.payment_intent_id for one in every] == intents
    paged: list[pb.StuckOperation] = []
    token = ""
    while True:
        page = listed(payflow.caller, age_min_s=0, page_size=1, page_token=token)
        paged += page.operations
        token = page.next_page_token
        if not token:
            break
    assert paged == list(every)
    of_other = listed(payflow.caller, age_min_s=0, merchant_id=OTHER).operations
    assert [one.payment_intent_id for one in of_other] == intents[1::2]
    old = listed(payflow.caller, age_min_s=3).operations
    assert [one.payment_intent_id for one in old] == intents[:2]

    token = listed(payflow.caller, age_min_s=0, page_size=1).next_page_token
    with pytest.raises(ApiError, match="VALIDATION_FAILED") as raised:
        listed(payflow.caller, age_min_s=0, merchant_id=OTHER, page_token=token)
    assert raised.value.fields == ["page_token"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("age_min_s", -1),
        ("age_min_s", 2_592_001),
        ("merchant_id", "no merchant"),
        ("page_size", 501),
        ("page_token", "nonsense"),
    ],
)
def test_a_refusal_names_the_field(payflow: InProcess, field: str, value: object) -> None:
    with pytest.raises(ApiError, match="VALIDATION_FAILED") as raised:
        listed(payflow.caller, **{field: value})
    assert raised.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert raised.value.fields == [field]


def test_an_operator_can_ask_before_it_is_due(payflow: InProcess) -> None:
    intent_id = unanswered(payflow.caller)
    found = resolved(payflow.caller, intent_id)
    assert (found.status, found.authorized_amount) == (AUTHORIZED, 10_000)
    assert (len(payflow.connector.executed), len(payflow.connector.looked_up)) == (1, 1)
    # There is nothing left to ask about.
    assert resolved(payflow.caller, intent_id) == found
    assert len(payflow.connector.looked_up) == 1
    assert effects_by_intent(payflow.simulator) == {intent_id: [("authorize", 10_000)]}


def test_what_was_given_up_is_listed_and_can_be_asked_about(payflow: InProcess) -> None:
    intent_id = parked(payflow)
    assert payflow.recovery.attempts() == 0
    [found] = listed(payflow.caller).operations
    assert (found.payment_intent_id, found.state) == (intent_id, pb.STUCK_STATE_PARKED)
    assert not found.HasField("next_check_at")
    assert found.checks == len(payflow.connector.looked_up) > 5

    after = resolved(payflow.caller, intent_id)
    assert after.status != PROCESSING
    assert not listed(payflow.caller).operations
    assert_psp_agrees(payflow.url, payflow.simulator)


def test_a_psp_that_stays_silent_leaves_it_as_it_is(payflow: InProcess) -> None:
    intent_id = unanswered(payflow.caller)
    payflow.connector.loses_answers = True
    assert resolved(payflow.caller, intent_id).status == PROCESSING
    [found] = listed(payflow.caller, age_min_s=0).operations
    assert (found.state, found.checks) == (pb.STUCK_STATE_UNKNOWN, 1)
    # To ask again with the same key would ask again, too.
    payflow.connector.loses_answers = False
    assert resolved(payflow.caller, intent_id).status == AUTHORIZED


def test_a_call_that_somebody_makes_is_left_to_them(payflow: InProcess) -> None:
    intent_id = payflow.caller.create().id
    with payflow.slow_caller() as (caller, slow), ThreadPoolExecutor(1) as executor:
        answer = executor.submit(caller.authorize, intent_id, "pm_card_visa")
        assert slow.arrived.wait(WAIT_S)
        [found] = listed(payflow.caller, age_min_s=0).operations
        assert (found.payment_intent_id, found.state) == (intent_id, pb.STUCK_STATE_RUNNING)
        assert resolved(payflow.caller, intent_id).status == PROCESSING
        assert payflow.connector.looked_up == []
        slow.release.set()
        assert answer.result(WAIT_S).status == AUTHORIZED
    assert not listed(payflow.caller, age_min_s=0).operations


def test_nobody_asks_about_a_foreign_payment(payflow: InProcess) -> None:
    intent_id = unanswered(payflow.caller)
    with pytest.raises(ApiError, match="NOT_FOUND"):
        resolved(payflow.caller, intent_id, merchant_id=OTHER)
    assert payflow.connector.looked_up == []


def test_the_commands(payflow: InProcess) -> None:
    first, second = unanswered(payflow.caller), unanswered(payflow.caller)
    with served(payflow.core, payflow.settings) as address:

        def run(*arguments: str) -> Result:
            shown = CliRunner().invoke(main, ["intents", *arguments, "--address", address])
            assert shown.exit_code == 0, shown.output
            return shown

        assert run("stuck").stdout.splitlines()[1:] == []
        head, *rows = run("stuck", "--older-than", "0").stdout.splitlines()
        assert head.split()[:5] == ["PAYMENT_INTENT_ID", "TYPE", "AMOUNT", "CURRENCY", "STATE"]
        assert {row.split()[0] for row in rows} == {first, second}
        assert {tuple(row.split()[1:5]) for row in rows} == {("authorize", "10000", "USD", "unknown")}
        some = run("stuck", "--older-than", "0", "--limit", "1")
        assert (len(some.stdout.splitlines()), some.stderr) == (2, "there are more than 1; see --limit\n")
        merchant = ("--merchant", payflow.caller.merchant_id)
        whole = json.loads(run("stuck", "--older-than", "0", *merchant, "--json").stdout)
        assert [one["psp_account_id"] for one in whole] == ["simulator", "simulator"]

        assert "authorized" in run("resolve", first).stdout
        assert json.loads(run("resolve", second, "--json").stdout)["status"] == "authorized"
        assert run("stuck", "--older-than", "0").stdout.splitlines()[1:] == []
