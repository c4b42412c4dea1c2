"""Two PSPs: a payment goes on to the second one with proof that the first did nothing, and only then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from payflow.commands.apply_notice import apply_notice
from payflow.domain.declines import TAXONOMY, failure
from payflow.domain.endpoint import Endpoint
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import Advice, Approved, Declined, OperationType
from payflow.v1 import merchant_pb2, payment_types_pb2, routing_pb2
from payflow.v1 import payment_intent_pb2 as pb
from server.worker.side_by_side import background_call
from tests.audit import attempts_of, events_of
from tests.books import assert_books_right
from tests.databases import Database
from tests.in_process import InProcess, in_process
from tests.payments import ApiError
from tests.simulators import Simulator, running_simulator

FAILED_OVER = "payment_intent.failed_over"
NEVER_ELSEWHERE = sorted(
    code
    for code, one in TAXONOMY.items()
    if one.advice is not Advice.RETRY_ELSEWHERE and code != "breaker_open"
)


class TwoPsps:
    """PayFlow with the simulators A, which comes first, and B."""

    def __init__(self, payflow: InProcess, second: Simulator) -> None:
        self.payflow = payflow
        self.caller = payflow.caller
        self.a = payflow.simulator
        self.b = second

    def pay(self, payment_method: str = "", **create: Any) -> Any:
        return self.caller.authorize(self.caller.create(**create).id, payment_method)

    def attempts(self, intent: Any) -> list[tuple[str, str]]:
        """Account and state of each, oldest first."""
        rows = attempts_of(self.payflow.url, intent.id)
        return [(row["psp_account_id"], row["state"]) for row in sorted(rows, key=lambda row: row["psp_key"])]

    def moved(self, intent: Any) -> tuple[list[str], list[str]]:
        """The operations that moved money of an intent at A, and at B."""
        both = (
            [one["operation"] for one in psp.effects() if one["reference"].startswith(intent.id)]
            for psp in (self.a, self.b)
        )
        at_a, at_b = both
        return at_a, at_b


@pytest.fixture(scope="module")
def running(
    new_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoPsps]:
    directory: Path = tmp_path_factory.mktemp("failover")
    with (
        running_simulator(directory / "b.sqlite", silence_s=0) as second,
        in_process(
            new_database(), directory, B_SIMULATOR_URL=second.url, CB_FAILURE_THRESHOLD="5"
        ) as payflow,
    ):
        yield TwoPsps(payflow, second)


@pytest.fixture
def psps(running: TwoPsps) -> Iterator[TwoPsps]:
    """Both are well, and their breakers have had time to close."""
    running.payflow.clock.forward(hours=1)
    for _ in range(2):
        assert running.pay().psp_account_id == "simulator"
    yield running
    running.a.behave()
    running.b.behave()
    assert_books_right(running.payflow.url)


def test_a_decline_that_another_psp_may_not_repeat_goes_on_to_it(psps: TwoPsps) -> None:
    psps.a.behave(declines={"probability": 1, "codes": {"acquirer_error": 1}})
    paid = psps.pay()
    assert (paid.status, paid.psp_account_id) == (pb.PAYMENT_INTENT_STATUS_AUTHORIZED, "simulator_b")
    assert psps.attempts(paid) == [("simulator", "DECLINED"), ("simulator_b", "SUCCEEDED")]
    assert psps.moved(paid) == ([], ["authorize"])
    assert events_of(psps.payflow.url, paid.id).count(FAILED_OVER) == 1
    explained = psps.caller.routing.ExplainRouting(
        routing_pb2.ExplainRoutingRequest(payment_intent_id=paid.id)
    )
    assert [(one.psp_account_id, one.failure.code) for one in explained.attempts] == [
        ("simulator", "acquirer_error"),
        ("simulator_b", ""),
    ]

    captured = psps.caller.capture(paid.id, 4_000)
    assert captured.captured_amount == 4_000
    psps.caller.refund(paid.id, 1_000)
    assert psps.moved(paid) == ([], ["authorize", "capture", "refund"])
    assert psps.caller.balance("sys:psp_clearing:simulator_b:USD").posted == 3_000


def test_one_request_and_its_repeats_have_one_answer_wherever_the_payment_went(psps: TwoPsps) -> None:
    psps.a.behave(declines={"probability": 1, "codes": {"acquirer_error": 1}})
    intent = psps.caller.create()
    request = pb.AuthorizePaymentIntentRequest(id=intent.id)
    first = psps.caller.reply(psps.caller.intents.AuthorizePaymentIntent, request, "failover-1")
    again = psps.caller.reply(psps.caller.intents.AuthorizePaymentIntent, request, "failover-1")
    assert (first.replayed, again.replayed) == (False, True)
    assert first.message == again.message
    assert psps.moved(intent) == ([], ["authorize"])


def test_a_psp_that_refuses_at_the_door_was_not_asked(psps: TwoPsps) -> None:
    psps.a.behave(faults={"overloaded": 1})
    paid = psps.pay()
    assert paid.psp_account_id == "simulator_b"
    assert psps.attempts(paid) == [("simulator", "NOT_EXECUTED"), ("simulator_b", "SUCCEEDED")]


def test_where_every_psp_declines_the_last_word_counts(psps: TwoPsps) -> None:
    for psp in (psps.a, psps.b):
        psp.behave(declines={"probability": 1, "codes": {"acquirer_error": 1}})
    failed = psps.pay()
    assert (failed.status, failed.failure.code) == (pb.PAYMENT_INTENT_STATUS_FAILED, "acquirer_error")
    assert psps.attempts(failed) == [("simulator", "DECLINED"), ("simulator_b", "DECLINED")]
    assert psps.moved(failed) == ([], [])


@pytest.mark.parametrize("code", NEVER_ELSEWHERE)
def test_no_other_decline_costs_a_second_call(psps: TwoPsps, code: str) -> None:
    before = len(psps.payflow.connector.executed)
    failed = psps.pay(f"pm_card_decline_{code}")
    assert failed.status == pb.PAYMENT_INTENT_STATUS_FAILED
    assert [account for account, _ in psps.attempts(failed)] == ["simulator"]
    assert len(psps.payflow.connector.executed) == before + 1


@pytest.mark.parametrize(
    "fault", ["timeout_before", "timeout_after", "error_before", "error_after", "reset_after"]
)
def test_what_may_have_been_executed_never_goes_elsewhere(psps: TwoPsps, fault: str) -> None:
    psps.a.behave(faults={fault: 1})
    unknown = psps.pay()
    assert unknown.status == pb.PAYMENT_INTENT_STATUS_PROCESSING
    assert psps.attempts(unknown) == [("simulator", "UNKNOWN")]
    psps.a.behave()
    psps.payflow.clock.forward(seconds=5)
    psps.payflow.recovery.attempts()
    found = psps.caller.get(unknown.id)
    assert (found.status, found.psp_account_id) == (pb.PAYMENT_INTENT_STATUS_AUTHORIZED, "simulator")
    assert psps.moved(unknown) == (["authorize"], [])


def test_a_stray_payment_whose_refund_comes_back_is_refunded_again(
    psps: TwoPsps, monkeypatch: pytest.MonkeyPatch
) -> None:
    psps.a.behave(declines={"probability": 1, "codes": {"acquirer_error": 1}})
    paid = psps.pay(capture_method=payment_types_pb2.CAPTURE_METHOD_AUTOMATIC)
    ports = psps.payflow.core.ports
    monkeypatch.setattr(psps.payflow.connector, "execute", lambda call: Approved("refund-1"))

    def hear(notice: Notice) -> None:
        call = background_call("worker:webhooks", paid.id)
        apply_notice(ports, call, paid.merchant_id, paid.id, notice, Endpoint("simulator", ""))

    stray = Approved("stray-1")
    hear(Notice(OperationType.AUTHORIZE, stray, f"{paid.id}-1", "stray-1"))
    assert psps.attempts(paid)[0] == ("simulator", "UNDONE")
    came_back = Declined(failure("unknown_decline"))
    hear(Notice(OperationType.REFUND, came_back, f"{paid.id}-3", "stray-1", after_success=True))
    assert [state for _, state in psps.attempts(paid)] == ["UNDONE", "SUCCEEDED", "DECLINED", "SUCCEEDED"]
    assert psps.caller.balance("sys:psp_clearing:simulator:USD").posted == 0


def test_nobody_who_asks_hours_later_sends_a_payment_elsewhere(psps: TwoPsps) -> None:
    psps.a.behave(declines={"probability": 1, "codes": {"acquirer_error": 1}}, faults={"timeout_after": 1})
    unknown = psps.pay()
    assert unknown.status == pb.PAYMENT_INTENT_STATUS_PROCESSING
    psps.a.behave()
    request = pb.ResolvePaymentIntentRequest(id=unknown.id)
    psps.caller.reply(psps.caller.intents.ResolvePaymentIntent, request)
    assert psps.caller.get(unknown.id).status == pb.PAYMENT_INTENT_STATUS_FAILED
    assert psps.attempts(unknown) == [("simulator", "DECLINED")]


def test_a_payment_that_a_psp_knows_stays_there(psps: TwoPsps) -> None:
    waiting = psps.pay("pm_card_3ds")
    assert waiting.status == pb.PAYMENT_INTENT_STATUS_REQUIRES_ACTION
    psps.a.behave(faults={"overloaded": 1})
    with pytest.raises(ApiError, match="NO_PSP_AVAILABLE"):
        psps.caller.authorize(waiting.id)
    psps.a.behave()
    assert psps.caller.authorize(waiting.id).psp_account_id == "simulator"
    assert psps.moved(waiting) == (["authorize"], [])


def test_a_psp_that_keeps_failing_costs_no_call_and_is_found_again(psps: TwoPsps) -> None:
    psps.a.behave(faults={"error_before": 1})
    while psps.pay().psp_account_id == "simulator":
        pass
    asked = len(psps.payflow.connector.executed)
    for _ in range(3):
        assert psps.pay().psp_account_id == "simulator_b"
    assert len(psps.payflow.connector.executed) == asked + 3
    psps.a.behave()
    psps.payflow.clock.forward(seconds=61)
    assert psps.pay().psp_account_id == "simulator"


def test_a_capture_at_a_psp_that_keeps_failing_is_refused_without_a_trace(psps: TwoPsps) -> None:
    paid = [psps.pay() for _ in range(6)]
    psps.a.behave(faults={"error_before": 1})
    refused = next(intent for intent in paid if not _captures(psps, intent.id))
    assert psps.attempts(refused) == [("simulator", "SUCCEEDED")]
    assert psps.caller.get(refused.id) == refused
    psps.a.behave()
    psps.payflow.clock.forward(seconds=61)
    assert psps.caller.capture(refused.id).status == pb.PAYMENT_INTENT_STATUS_CAPTURED


def _captures(psps: TwoPsps, intent_id: str) -> bool:
    try:
        assert psps.caller.capture(intent_id).status == pb.PAYMENT_INTENT_STATUS_PROCESSING
    except ApiError as error:
        assert error.reason == "NO_PSP_AVAILABLE"
        return False
    return True


def test_an_experiment_counts_what_the_psp_costs_that_took_the_payment(psps: TwoPsps) -> None:
    caller, merchant_id = psps.caller, psps.caller.merchant_id
    for account, bps in (("simulator", 100), ("simulator_b", 290)):
        dear = merchant_pb2.UpdatePspAccountRequest(merchant_id=merchant_id, id=account, cost_bps=bps)
        caller.reply(caller.merchants.UpdatePspAccount, dear)
    arms = [routing_pb2.ExperimentArm(name=name, share_percent=50) for name in ("control", "other")]
    create = routing_pb2.CreateExperimentRequest(merchant_id=merchant_id, arms=arms)
    started = caller.reply(caller.routing.CreateExperiment, create).message
    stayed = psps.pay(amount=10_000)
    psps.a.behave(declines={"probability": 1, "codes": {"acquirer_error": 1}})
    went_on = psps.pay(amount=10_000)

    assert (stayed.psp_account_id, went_on.psp_account_id) == ("simulator", "simulator_b")
    wanted = routing_pb2.GetExperimentRequest(merchant_id=merchant_id, id=started.id)
    results = caller.routing.GetExperiment(wanted).results
    costs = sum(one.cost for arm in results for one in arm.costs)
    stop = routing_pb2.StopExperimentRequest(merchant_id=merchant_id, id=started.id)
    caller.reply(caller.routing.StopExperiment, stop)
    assert costs == 100 + 290


def test_a_psp_that_captures_all_or_nothing_is_asked_for_no_part(
    psps: TwoPsps, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = psps.pay(amount=5_000)
    connector = psps.payflow.connector
    monkeypatch.setattr(connector, "capabilities", replace(connector.capabilities, partial_capture=False))
    with pytest.raises(ApiError) as refused:
        psps.caller.capture(paid.id, 4_999)
    assert (refused.value.reason, refused.value.fields) == ("VALIDATION_FAILED", ["amount"])
    assert psps.caller.get(paid.id) == paid
    assert psps.caller.capture(paid.id, 5_000).status == pb.PAYMENT_INTENT_STATUS_CAPTURED


@contextmanager
def every_place_taken(psps: TwoPsps, endpoint: Endpoint) -> Iterator[None]:
    with ExitStack() as places:
        while psps.payflow.core.slots.has_room(endpoint):
            places.enter_context(psps.payflow.core.slots.hold(endpoint))
        yield


def test_a_psp_that_all_wait_for_turns_no_payment_away_that_another_takes(psps: TwoPsps) -> None:
    with every_place_taken(psps, Endpoint("simulator", "")):
        paid = psps.pay()
        assert psps.attempts(paid) == [("simulator_b", "SUCCEEDED")]
        wanted = routing_pb2.ExplainRoutingRequest(payment_intent_id=paid.id)
        first, *_ = psps.caller.routing.ExplainRouting(wanted).decision.candidates
        assert first.exclusion == routing_pb2.ROUTING_EXCLUSION_BUSY
        with every_place_taken(psps, Endpoint("simulator", "B")), pytest.raises(ApiError) as refused:
            psps.pay()
    assert refused.value.reason == "OVERLOADED"
    assert refused.value.retry_after_s
