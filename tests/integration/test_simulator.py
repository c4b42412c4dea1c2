"""The simulated PSP as a process of its own, asked over HTTP through its connector."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3

from payflow.domain.psp_outcome import (
    ActionRequired,
    Approved,
    Declined,
    OperationType,
    Unknown,
)
from payflow.psp.simulator.connector import SHUT_OUT, SimulatorConnector
from payflow.psp.simulator.server import BODY_BYTES_MAX
from tests.simulators import Simulator, authorization, modification, running_simulator, sent
from tests.waiting import WAIT_S, wait_until

# For calls that are not answered. The request may even be given up before it has arrived.
IMPATIENT_S = 0.3


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("simulator") / "simulator.db") as running:
        yield running


@pytest.fixture
def connector(simulator: Simulator) -> Iterator[SimulatorConnector]:
    with simulator.connector() as connector:
        yield connector
    simulator.behave()


def test_a_payment_runs_from_authorization_to_refunds(
    simulator: Simulator, connector: SimulatorConnector
) -> None:
    authorize = authorization()
    approved = connector.execute(authorize)
    assert isinstance(approved, Approved)
    assert approved.authorization_expires_at is not None
    capture = modification(OperationType.CAPTURE, approved.psp_id, 700)
    refunds = [modification(OperationType.REFUND, approved.psp_id, amount) for amount in (300, 401, 400)]
    assert connector.execute(capture) == Approved(approved.psp_id)
    outcomes = [connector.execute(refund) for refund in refunds]
    assert [type(outcome) for outcome in outcomes] == [Approved, Declined, Approved]
    assert connector.look_up(authorize) == approved
    assert [connector.look_up(refund) for refund in refunds] == outcomes
    assert simulator.moved(authorize, capture, *refunds) == [
        ("authorize", 1000, 1),
        ("capture", 700, 1),
        ("refund", 300, 1),
        ("refund", 400, 1),
    ]


def test_a_cancel_ends_an_authorization_and_a_sale_needs_no_capture(
    simulator: Simulator, connector: SimulatorConnector
) -> None:
    authorize, sale = authorization(), authorization(sale=True)
    first, second = connector.execute(authorize), connector.execute(sale)
    assert isinstance(first, Approved)
    assert isinstance(second, Approved)
    cancel = modification(OperationType.CANCEL, first.psp_id, 0)
    assert connector.execute(cancel) == Approved(first.psp_id)
    assert isinstance(connector.execute(modification(OperationType.CAPTURE, first.psp_id, 1)), Declined)
    assert simulator.moved(authorize, sale, cancel) == [
        ("authorize", 1000, 1),
        ("sale", 1000, 1),
        ("cancel", 1000, 1),
    ]


@pytest.mark.parametrize(
    ("payment_method", "code", "retryable"),
    [
        ("pm_card_declined", "card_declined", False),
        ("pm_card_insufficient_funds", "insufficient_funds", True),
        ("pm_card_of_nobody", "invalid_payment_method", False),
        ("", "invalid_payment_method", False),
    ],
)
def test_cards_that_decline(
    simulator: Simulator, connector: SimulatorConnector, payment_method: str, code: str, retryable: bool
) -> None:
    call = authorization(payment_method)
    outcome = connector.execute(call)
    assert isinstance(outcome, Declined)
    assert (outcome.failure.code, outcome.failure.retryable) == (code, retryable)
    assert connector.execute(call) == connector.look_up(call) == outcome
    assert simulator.moved(call) == []
    mine = [row for row in simulator.executions() if row["reference"] == call.psp_key]
    assert [row["result"] for row in mine] == ["declined"]


def test_a_challenged_card_is_resumed(simulator: Simulator, connector: SimulatorConnector) -> None:
    call = authorization("pm_card_3ds")
    waiting = connector.execute(call)
    assert isinstance(waiting, ActionRequired)
    assert waiting.next_action.redirect_url.startswith("https://")
    resumption = replace(call, psp_key=f"{call.psp_key}-resumed", psp_payment_id=waiting.psp_id)
    approved = connector.execute(resumption)
    assert isinstance(approved, Approved)
    assert approved.psp_id == waiting.psp_id
    assert simulator.moved(call, resumption) == [("authorize", 1000, 1)]


def test_a_card_that_times_out_is_executed_once_and_look_up_tells(
    simulator: Simulator, connector: SimulatorConnector
) -> None:
    call = authorization("pm_card_timeout")
    with simulator.connector(IMPATIENT_S) as impatient:
        wait_until(lambda: isinstance(impatient.execute(call), Unknown) and bool(simulator.moved(call)))
    told = connector.look_up(call)
    assert isinstance(told, Approved)
    assert connector.cancel_by_reference(call) == told
    capture = modification(OperationType.CAPTURE, told.psp_id, 1000)
    assert isinstance(connector.execute(capture), Approved)
    assert simulator.moved(call) == [("authorize", 1000, 1)]


def test_a_card_that_gets_lost_is_never_executed_and_a_shut_out_proves_it(
    simulator: Simulator, connector: SimulatorConnector
) -> None:
    call = authorization("pm_card_lost")
    with simulator.connector(IMPATIENT_S) as impatient:
        for _ in range(2):
            wait_until(lambda: isinstance(impatient.execute(call), Unknown))
            assert connector.look_up(call) is None
    assert connector.cancel_by_reference(call) == SHUT_OUT
    assert connector.look_up(call) == SHUT_OUT
    assert simulator.moved(call) == []


def test_a_shut_out_stops_what_comes_later_and_changes_nothing_that_came_before(
    simulator: Simulator, connector: SimulatorConnector
) -> None:
    early, late = authorization(), authorization()
    approved = connector.execute(early)
    assert connector.cancel_by_reference(early) == approved
    assert connector.execute(early) == approved
    assert connector.cancel_by_reference(late) == SHUT_OUT
    assert connector.execute(late) == SHUT_OUT
    assert simulator.moved(early, late) == [("authorize", 1000, 1)]


def test_fifty_duplicates_at_once_have_one_effect(
    simulator: Simulator, connector: SimulatorConnector
) -> None:
    call = authorization()
    together = threading.Barrier(50)

    def ask(_: int) -> object:
        together.wait(WAIT_S)
        return connector.execute(call)

    with ThreadPoolExecutor(50) as threads:
        outcomes = set(threads.map(ask, range(50)))
    assert len(outcomes) == 1
    assert isinstance(outcomes.pop(), Approved)
    assert simulator.moved(call) == [("authorize", 1000, 1)]


def test_shut_out_and_execution_racing_agree(simulator: Simulator, connector: SimulatorConnector) -> None:
    with ThreadPoolExecutor(2) as threads:
        for _ in range(50):
            call = authorization()
            executing = threads.submit(connector.execute, call)
            shutting_out = threads.submit(connector.cancel_by_reference, call)
            outcome = executing.result()
            assert outcome == shutting_out.result() == connector.look_up(call)
            assert len(simulator.moved(call)) == isinstance(outcome, Approved)


def test_another_request_with_a_key_is_not_executed(
    simulator: Simulator, connector: SimulatorConnector
) -> None:
    call = authorization()
    connector.execute(call)
    assert isinstance(connector.execute(replace(call, amount=999)), Unknown)
    assert simulator.moved(call) == [("authorize", 1000, 1)]


def test_outside_its_window_a_repeat_is_executed_again(
    simulator: Simulator, connector: SimulatorConnector
) -> None:
    call = authorization()
    first = connector.execute(call)
    simulator.behave(clock_offset_s=86_400 - WAIT_S)
    assert connector.execute(call) == first
    simulator.behave(clock_offset_s=86_400)
    assert connector.execute(call) != first
    assert simulator.moved(call) == [("authorize", 1000, 1), ("authorize", 1000, 2)]


def test_an_authorization_expires(simulator: Simulator, connector: SimulatorConnector) -> None:
    simulator.behave(authorization_ttl_s=0)
    approved = connector.execute(authorization())
    assert isinstance(approved, Approved)
    late = connector.execute(modification(OperationType.CAPTURE, approved.psp_id, 1000))
    assert isinstance(late, Declined)
    assert late.failure.code == "authorization_expired"


def test_a_psp_that_hangs_has_done_what_it_does_not_answer(
    simulator: Simulator, connector: SimulatorConnector
) -> None:
    simulator.behave(hang_s=600)
    call = authorization()
    with simulator.connector(IMPATIENT_S) as impatient:
        wait_until(lambda: isinstance(impatient.execute(call), Unknown) and bool(simulator.moved(call)))
        assert isinstance(impatient.look_up(call), Unknown)
        assert isinstance(impatient.cancel_by_reference(call), Unknown)
    assert simulator.moved(call) == [("authorize", 1000, 1)]
    simulator.behave()
    assert isinstance(connector.look_up(call), Approved)


def test_three_hundred_that_hang_do_not_slow_the_others(
    simulator: Simulator, connector: SimulatorConnector, tmp_path: Path
) -> None:
    """Beside a simulator on which nothing hangs, taking turns: what else the machine does slows both.

    Of many single calls some are disturbed by nothing.
    """
    calls = [authorization("pm_card_timeout") for _ in range(300)]
    with ExitStack() as stack:
        idle = stack.enter_context(running_simulator(tmp_path / "idle.db"))
        idle_connector = stack.enter_context(idle.connector())
        connections = [stack.enter_context(sent(simulator, call)) for call in calls]
        wait_until(lambda: len(simulator.moved(*calls)) == 300)
        turns = [(_seconds_for_one(connector), _seconds_for_one(idle_connector)) for _ in range(400)]
        assert select.select(connections, [], [], 0)[0] == []
    hanging_s, idle_s = (min(seconds) for seconds in zip(*turns, strict=True))
    assert hanging_s < 2 * idle_s


def _seconds_for_one(connector: SimulatorConnector) -> float:
    call = authorization()
    started_s = time.perf_counter()
    outcome = connector.execute(call)
    elapsed_s = time.perf_counter() - started_s
    assert isinstance(outcome, Approved)
    return elapsed_s


def test_effects_are_complete_ordered_and_come_in_pages(
    simulator: Simulator, connector: SimulatorConnector
) -> None:
    calls = [authorization() for _ in range(200)]
    with ThreadPoolExecutor(8) as threads:
        approved = {
            call.psp_key: outcome
            for call, outcome in zip(calls, threads.map(connector.execute, calls), strict=True)
        }
    effects = simulator.effects()
    sequences = [effect["sequence"] for effect in effects]
    assert sequences == sorted(set(sequences))
    mine = {effect["reference"]: effect for effect in effects if effect["reference"] in approved}
    assert len(mine) == 200
    for key, outcome in approved.items():
        assert isinstance(outcome, Approved)
        assert (mine[key]["psp_account"], mine[key]["merchant"]) == ("acc", "shop")
        assert (mine[key]["payment_id"], mine[key]["currency"]) == (outcome.psp_id, "USD")
    page = urllib3.request("GET", f"{simulator.url}/effects?after={sequences[4]}&limit=3").json()["effects"]
    assert [effect["sequence"] for effect in page] == sequences[5:8]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/authorize", b"{", 400),
        ("POST", "/authorize", b"{}", 400),
        (
            "POST",
            "/capture",
            b'{"psp_account":"a","merchant":"m","reference":"k","amount":0,"currency":"USD"}',
            400,
        ),
        (
            "POST",
            "/capture",
            b'{"psp_account":"a","merchant":"m","reference":"k","amount":-1,"currency":"USD"}',
            400,
        ),
        (
            "POST",
            "/capture",
            b'{"psp_account":"a","merchant":"m","reference":"k","amount":9223372036854775808,"currency":"USD"}',
            400,
        ),
        (
            "POST",
            "/capture",
            b'{"psp_account":"a","merchant":"m","reference":"k","amount":1,"currency":"usd"}',
            400,
        ),
        (
            "POST",
            "/capture",
            b'{"psp_account":"a","merchant":"m","reference":"k","amount":1,"currency":"USD","x":1}',
            400,
        ),
        ("POST", "/capture", b" " * (BODY_BYTES_MAX + 1), 413),
        ("GET", "/capture", None, 405),
        ("GET", "/nothing", None, 404),
        ("GET", "/operations?reference=k", None, 400),
        ("GET", "/effects?after=x", None, 400),
        ("PUT", "/behaviour", b'{"hang_s":-1}', 400),
        ("PUT", "/behaviour", b'{"hung_s":1}', 400),
    ],
)
def test_what_is_no_request_is_refused_and_not_executed(
    simulator: Simulator, method: str, path: str, body: bytes | None, status: int
) -> None:
    before = simulator.executions()
    response = urllib3.request(method, simulator.url + path, body=body, retries=False)
    assert (response.status, response.json()["code"]) == (status, "invalid_request")
    assert simulator.executions() == before
