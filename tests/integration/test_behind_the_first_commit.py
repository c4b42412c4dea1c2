"""Once the first commit is in, the PSP call and the second commit run to their end, and are told truly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from payflow.commands.authorize_payment_intent import authorize_payment_intent
from payflow.commands.call import Call
from payflow.domain.folding.submission import IdempotencyClaim, Origin
from payflow.store.database.writer_connection import COMMIT
from payflow.v1 import merchant_pb2
from payflow.v1 import payment_intent_pb2 as pb
from tests.databases import Database
from tests.in_process import InProcess, in_process, served
from tests.payments import ApiError, Caller
from tests.waiting import WAIT_S
from tests.writer_tap import tapped_writers

SHUT_OUT_AFTER_S = (5, 30, 120)
# Hundreds of times what it takes to get to the commit, and less than a transaction may idle for.
DEADLINE_S = 8


@pytest.fixture
def payflow(new_database: Callable[[], Database], tmp_path: Path) -> Iterator[InProcess]:
    with in_process(new_database(), tmp_path) as running:
        yield running


def test_the_call_is_made_although_the_deadline_passes_during_the_commit(
    payflow: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent_id = payflow.caller.create().id
    view = payflow.core.ports.payments.payment_intent("merchant_test", intent_id, time.monotonic() + WAIT_S)
    assert view is not None
    tap = tapped_writers(monkeypatch)
    payflow.core.committer._writer.drop()
    deadline = time.monotonic() + DEADLINE_S

    def outlast_the_deadline(connection: psycopg.Connection[dict[str, object]], statement: str) -> None:
        while statement == COMMIT and time.monotonic() <= deadline:
            time.sleep(0.1)

    tap.before = outlast_the_deadline
    call = Call(Origin("test", "slow"), deadline, IdempotencyClaim("key", b"1" * 32))
    authorize_payment_intent(payflow.core.ports, call, view, "")
    assert len(payflow.connector.executed) == 1
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED


def test_what_was_taken_back_is_an_error_although_the_acknowledgement_is_lost(
    payflow: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent_id = payflow.caller.create().id
    tap = tapped_writers(monkeypatch)
    payflow.core.committer._writer.drop()
    payflow.simulator.kill()
    commits: list[str] = []

    def lose_the_second(connection: psycopg.Connection[dict[str, object]], statement: str) -> None:
        commits.extend([statement] if statement == COMMIT else [])
        if statement == COMMIT and len(commits) == 2:
            connection.close()
            raise psycopg.OperationalError("the acknowledgement is lost")

    tap.behind = lose_the_second
    with pytest.raises(ApiError, match="NO_PSP_AVAILABLE"):
        payflow.caller.authorize(intent_id)
    assert len(commits) > 2
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_CREATED


def test_a_psp_account_that_a_process_has_not_heard_of_yet_is_used(payflow: InProcess) -> None:
    with payflow.another() as other, served(other, payflow.settings) as address, Caller(address) as there:
        there.authorize(there.create().id)
        request = merchant_pb2.CreatePspAccountRequest(
            merchant_id="merchant_test", id="newer", connector="simulator", priority=1
        )
        payflow.caller.reply(payflow.caller.merchants.CreatePspAccount, request)
        authorized = payflow.caller.authorize(payflow.caller.create().id)
        assert authorized.psp_account_id == "newer"
        assert there.capture(authorized.id).status == pb.PAYMENT_INTENT_STATUS_CAPTURED


@pytest.mark.parametrize("meanwhile", ["canceled", "PSP account disabled"])
def test_a_stored_answer_is_given_whatever_has_happened_since(payflow: InProcess, meanwhile: str) -> None:
    intent_id = payflow.caller.create().id
    request = pb.AuthorizePaymentIntentRequest(id=intent_id, payment_method="pm_card_lost")
    first = payflow.caller.reply(payflow.caller.intents.AuthorizePaymentIntent, request, "key")
    for seconds in SHUT_OUT_AFTER_S:
        payflow.clock.forward(seconds=seconds)
        assert payflow.recovery.attempts() == 1
    assert payflow.caller.get(intent_id).status == pb.PAYMENT_INTENT_STATUS_CREATED
    if meanwhile == "canceled":
        payflow.caller.cancel(intent_id)
    else:
        change = merchant_pb2.UpdatePspAccountRequest(
            merchant_id="merchant_test", id="simulator", enabled=False
        )
        payflow.caller.reply(payflow.caller.merchants.UpdatePspAccount, change)
    again = payflow.caller.reply(payflow.caller.intents.AuthorizePaymentIntent, request, "key")
    assert (again.replayed, again.message) == (True, first.message)
