"""What a simulated PSP and its network can do to a call, over HTTP through the connector."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3

from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    OperationType,
    Outcome,
    Unknown,
)
from payflow.psp.connector import PspCall
from payflow.psp.simulator.connector import OVERLOADED, SHUT_OUT, SimulatorConnector
from tests.simulators import Simulator, authorization, modification, running_simulator, two_simulators
from tests.waiting import wait_until

IMPATIENT_S = 0.3
CALLS = 25
BROKEN = {"error_before": 0.15, "error_after": 0.15, "reset_before": 0.15, "reset_after": 0.15}
CHAOS = {
    "seed": 11,
    "faults": BROKEN | {"overloaded": 0.1},
    "declines": {"probability": 0.2, "codes": {"acquirer_error": 1, "card_declined": 1}},
    "latency": {"distribution": "lognormal", "median_ms": 1, "sigma": 1, "max_ms": 20},
}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("simulator") / "simulator.db") as running:
        yield running


@pytest.fixture
def connector(simulator: Simulator) -> Iterator[SimulatorConnector]:
    with simulator.connector() as connector:
        yield connector
    simulator.behave()


def is_quick_failure(outcome: Outcome | None) -> bool:
    """Whether nobody knows what happened, and the same may be asked again at once."""
    return isinstance(outcome, Unknown) and outcome.repeatable


def by_token(_: Simulator, fault: str) -> str:
    """The token that makes it happen."""
    return f"pm_card_{fault}"


def by_configuration(simulator: Simulator, fault: str) -> str:
    """An ordinary token, with the fault switched on for everybody."""
    simulator.behave(faults={fault: 1})
    return "pm_card_visa"


MEANS = pytest.mark.parametrize("brought_about", [by_token, by_configuration])


@MEANS
@pytest.mark.parametrize("fault", ["error_before", "reset_before"])
def test_a_request_that_is_lost_with_a_noise_is_not_executed(
    simulator: Simulator,
    connector: SimulatorConnector,
    fault: str,
    brought_about: Callable[[Simulator, str], str],
) -> None:
    call = authorization(brought_about(simulator, fault))
    assert is_quick_failure(connector.execute(call))
    simulator.behave()
    assert connector.look_up(call) is None
    assert simulator.moved(call) == []


@MEANS
@pytest.mark.parametrize("fault", ["error_after", "reset_after"])
def test_an_answer_that_is_lost_with_a_noise_was_executed_once(
    simulator: Simulator,
    connector: SimulatorConnector,
    fault: str,
    brought_about: Callable[[Simulator, str], str],
) -> None:
    call = authorization(brought_about(simulator, fault))
    assert is_quick_failure(connector.execute(call))
    simulator.behave()
    assert isinstance(connector.look_up(call), Approved)
    assert simulator.moved(call) == [("authorize", 1000, 1)]


@MEANS
def test_a_psp_that_is_overloaded_has_done_nothing(
    simulator: Simulator, connector: SimulatorConnector, brought_about: Callable[[Simulator, str], str]
) -> None:
    call = authorization(brought_about(simulator, "overloaded"))
    assert connector.execute(call) == OVERLOADED
    simulator.behave()
    assert connector.look_up(call) is None


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after"])
def test_silence_is_not_to_be_repeated(
    simulator: Simulator, connector: SimulatorConnector, fault: str
) -> None:
    call = authorization()
    simulator.behave(faults={fault: 1})
    with simulator.connector(IMPATIENT_S) as impatient:
        wait_until(lambda: _is_silent(impatient.execute(call)) and _has_arrived(simulator, call, fault))
    # What was given up before it was read is lost as well, as long as nothing else is said.
    simulator.catch_up()
    simulator.behave()
    assert (connector.look_up(call) is None) is (fault == "timeout_before")


def _is_silent(outcome: Outcome) -> bool:
    return isinstance(outcome, Unknown) and not outcome.repeatable


def _has_arrived(simulator: Simulator, call: PspCall, fault: str) -> bool:
    """The request may be given up before it has arrived, and what is lost leaves no trace to wait for."""
    return fault == "timeout_before" or bool(simulator.moved(call))


@pytest.mark.parametrize("fault", ["error_before", "error_after", "overloaded"])
def test_a_fault_that_happens_once_spares_the_repeat(
    simulator: Simulator, connector: SimulatorConnector, fault: str
) -> None:
    call = authorization(f"pm_card_{fault}_once")
    assert not isinstance(connector.execute(call), Approved)
    assert isinstance(connector.execute(call), Approved)
    assert simulator.moved(call) == [("authorize", 1000, 1)]


@pytest.mark.parametrize("fault", ["error_before", "error_after", "reset_before", "overloaded"])
def test_faults_meet_look_ups_and_shut_outs_too_and_prove_nothing(
    simulator: Simulator, connector: SimulatorConnector, fault: str
) -> None:
    call = authorization()
    simulator.behave(faults={fault: 1})
    assert isinstance(connector.look_up(call), Unknown)
    assert isinstance(connector.cancel_by_reference(call), Unknown)
    simulator.behave()
    assert connector.look_up(call) == (SHUT_OUT if fault == "error_after" else None)


@pytest.mark.parametrize("how", ["unavailable", "closed"])
def test_in_an_outage_nothing_is_executed_and_operators_are_answered(
    simulator: Simulator, connector: SimulatorConnector, how: str
) -> None:
    now = datetime.now(UTC)
    outage = {"starts_at": f"{now - timedelta(days=1)}", "ends_at": f"{now + timedelta(days=1)}", "how": how}
    simulator.behave(outages=[outage])
    call = authorization()
    assert is_quick_failure(connector.execute(call))
    assert is_quick_failure(connector.look_up(call))
    assert simulator.moved(call) == []
    simulator.behave(outages=[outage], clock_offset_s=2 * 86_400)
    assert isinstance(connector.execute(call), Approved)


def test_a_slow_request_is_executed_and_answered(simulator: Simulator, connector: SimulatorConnector) -> None:
    call = authorization("pm_card_slow_40")
    started_s = time.monotonic()
    assert isinstance(connector.execute(call), Approved)
    assert time.monotonic() - started_s >= 0.04
    assert simulator.moved(call) == [("authorize", 1000, 1)]


def test_a_deferred_capture_is_accepted_until_it_is_finished(
    simulator: Simulator, connector: SimulatorConnector
) -> None:
    simulator.behave(deferred={"after_s": 3_600})
    approved = connector.execute(authorization("pm_card_deferred"))
    assert isinstance(approved, Approved)
    capture = modification(OperationType.CAPTURE, approved.psp_id, 700)
    assert connector.execute(capture) == connector.look_up(capture) == Accepted(approved.psp_id)
    simulator.behave(clock_offset_s=3_600)
    wait_until(lambda: connector.look_up(capture) == Approved(approved.psp_id))
    assert simulator.moved(capture) == [("capture", 700, 1)]


def test_a_payer_completes_a_challenge_out_of_band(
    simulator: Simulator, connector: SimulatorConnector
) -> None:
    call = authorization("pm_card_3ds")
    waiting = connector.execute(call)
    assert isinstance(waiting, ActionRequired)
    assert simulator.complete(waiting.psp_id)["result"] == "approved"
    assert isinstance(connector.look_up(call), Approved)
    assert simulator.complete(waiting.psp_id)["code"] == "not_waiting"
    assert simulator.moved(call) == [("authorize", 1000, 1)]


def test_approval_rates_are_as_they_are_set(simulator: Simulator, connector: SimulatorConnector) -> None:
    calls = [replace(authorization(), psp_key=f"rate-{number}") for number in range(200)]
    simulator.behave(seed=3, declines={"probability": 0.5, "codes": {"acquirer_error": 1}})
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(connector.execute, calls))
    declined = [outcome for outcome in outcomes if isinstance(outcome, Declined)]
    assert 60 < len(declined) < 140
    assert {outcome.failure.code for outcome in declined} == {"acquirer_error"}
    assert all(isinstance(outcome, Approved) for outcome in outcomes if outcome not in declined)


def test_the_same_seed_does_the_same_whatever_else_goes_on(tmp_path: Path) -> None:
    calls = [replace(authorization(), psp_key=f"pi-{number}") for number in range(CALLS)]
    with two_simulators(tmp_path, behaviour=CHAOS) as (first, second):
        with first.connector() as connector:
            in_order = {call.psp_key: _kinds(connector, call) for call in calls}
        with second.connector() as connector, ThreadPoolExecutor(8) as threads:
            together = list(threads.map(lambda call: _kinds(connector, call), reversed(calls)))
    assert dict(zip([call.psp_key for call in reversed(calls)], together, strict=True)) == in_order
    assert len({kinds[0] for kinds in in_order.values()}) >= 4
    assert len({str(kinds) for kinds in in_order.values()}) > 10


def _kinds(connector: SimulatorConnector, call: PspCall) -> list[str]:
    """What comes of three requests with one key and of a look-up, without ids and times."""
    outcomes = [*(connector.execute(call) for _ in range(3)), connector.look_up(call)]
    return [_kind(outcome) for outcome in outcomes]


def _kind(outcome: Outcome | None) -> str:
    failure = getattr(outcome, "failure", None)
    return f"{type(outcome).__name__} {failure.code if failure else getattr(outcome, 'repeatable', '')}"


@pytest.mark.parametrize(
    ("behaviour", "complaint"),
    [
        (b'{"faults":{"error_before":2}}', "$.faults.error_before"),
        (b'{"latency":{"distribution":"fixed"}}', "missing required field `ms` - at `$.latency`"),
        (b'{"declines":{"codes":{"no_such":1}}}', "not no_such - at `$.declines`"),
        (b"[]", "Expected `object`"),
    ],
)
def test_a_behaviour_that_makes_no_sense_is_refused_and_changes_nothing(
    simulator: Simulator, behaviour: bytes, complaint: str
) -> None:
    before = urllib3.request("GET", f"{simulator.url}/behaviour").json()
    response = urllib3.request("PUT", f"{simulator.url}/behaviour", body=behaviour)
    assert (response.status, response.json()["code"]) == (400, "invalid_request")
    assert complaint in response.json()["message"]
    assert urllib3.request("GET", f"{simulator.url}/behaviour").json() == before
