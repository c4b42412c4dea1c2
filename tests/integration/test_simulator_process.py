"""The simulated PSP's process: what a SIGKILL leaves, how it ends, what it says when it cannot run."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import urllib3

from payflow.domain.psp_outcome import Approved, NotExecuted, Unknown
from payflow.psp.connector import PspCall
from payflow.psp.simulator.connector import UNREACHABLE, SimulatorConnector
from tests.ports import free_port
from tests.simulators import authorization, running_simulator, sent, simulator_command
from tests.waiting import WAIT_S, wait_until


def test_every_acknowledged_effect_survives_a_sigkill_under_load(tmp_path: Path) -> None:
    approved: dict[str, str] = {}
    asked: list[PspCall] = []

    def ask_until_it_is_gone(connector: SimulatorConnector) -> None:
        while True:
            call = authorization()
            asked.append(call)
            outcome = connector.execute(call)
            if not isinstance(outcome, Approved):
                assert isinstance(outcome, Unknown | NotExecuted)
                return
            approved[call.psp_key] = outcome.psp_id

    with running_simulator(tmp_path / "simulator.db") as simulator, simulator.connector() as connector:
        load = [threading.Thread(target=ask_until_it_is_gone, args=(connector,)) for _ in range(8)]
        for thread in load:
            thread.start()
        wait_until(lambda: len(approved) > 300)
        simulator.kill()
        for thread in load:
            thread.join(WAIT_S)
        assert connector.execute(authorization()) == UNREACHABLE
    with running_simulator(tmp_path / "simulator.db") as simulator, simulator.connector() as connector:
        effects = {effect["reference"]: effect["payment_id"] for effect in simulator.effects()}
        assert len(approved) > 300
        assert approved.items() <= effects.items()
        assert effects.keys() <= {call.psp_key for call in asked}
        outcomes = [connector.execute(call) for call in asked]
        assert all(isinstance(outcome, Approved) for outcome in outcomes)
        assert set(Counter(effect["reference"] for effect in simulator.effects()).values()) == {1}
        assert len(simulator.effects()) == len(asked)


@pytest.mark.parametrize("payment_method", ["pm_card_lost", "pm_card_slow_60000"])
def test_what_is_still_on_its_way_at_the_end_is_never_executed(tmp_path: Path, payment_method: str) -> None:
    with running_simulator(tmp_path / "simulator.db") as simulator, simulator.connector() as connector:
        call = authorization(payment_method)
        with sent(simulator, call) as hanging:
            # Not before it is under way, which a look-up behind it on the same event loop shows.
            assert connector.look_up(call) is None
            assert simulator.stop() == 0
            with suppress(ConnectionResetError):
                assert hanging.recv(1) == b""
    with running_simulator(tmp_path / "simulator.db") as simulator:
        assert simulator.moved(call) == []


def test_it_finishes_at_once_when_told_to_even_with_requests_that_hang(tmp_path: Path) -> None:
    with running_simulator(tmp_path / "simulator.db") as simulator, simulator.connector() as connector:
        connector.execute(authorization())
        call = authorization("pm_card_timeout")
        with sent(simulator, call) as hanging:
            wait_until(lambda: len(simulator.moved(call)) == 1)
            # Long before it would have stopped waiting for them.
            assert simulator.stop() == 0
            with suppress(ConnectionResetError):
                assert hanging.recv(1) == b""


def test_the_command_takes_its_behaviour_from_a_file_and_options(tmp_path: Path) -> None:
    config = tmp_path / "behaviour.json"
    config.write_text('{"seed":1,"key_window_s":60,"declines":{"probability":0.5}}')
    port = free_port()
    options = ["--config", str(config), "--seed", "7", "--port", str(port), "--data", str(tmp_path / "data")]
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli.main", "psp-simulator", *options],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == f"simulator ready on http://127.0.0.1:{port}\n"
        behaviour = urllib3.request("GET", f"http://127.0.0.1:{port}/behaviour").json()
        process.terminate()
        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)
    assert (behaviour["seed"], behaviour["key_window_s"]) == (7, 60)
    assert behaviour["declines"]["probability"] == 0.5


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with running_simulator(tmp_path / "first.db") as simulator:
        _, port = simulator.address()
        command = simulator_command(tmp_path / "second.db", port)
        ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert ended.returncode == 1
    last_line = ended.stderr.splitlines()[-1]
    assert all(part in last_line for part in ("OSError", str(port), "address already in use"))
