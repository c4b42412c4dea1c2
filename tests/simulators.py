"""Starts the simulated PSP as the process of its own that it is."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlparse

import urllib3

from payflow.domain.psp_outcome import OperationType
from payflow.psp.connector import PspCall
from payflow.psp.simulator.connector import SimulatorConnector
from payflow.psp.simulator.network import SILENCE_MAX_S
from tests.ports import free_port
from tests.waiting import WAIT_S

# No time-out of a connector that is to be answered is this short.
ANSWERED_WITHIN_S = 60
SECRET = "whsec-of-the-tests"
EMPTY: Mapping[str, object] = {}

_PROGRAM = """
import sys
from pathlib import Path
from msgspec import json
from payflow.psp.simulator import network, process, sender
from payflow.psp.simulator.behaviour import Behaviour
from payflow.psp.simulator.sender import Receiver
path, port, silence_s, behaviour, *receiver = sys.argv[1:]
process.SHUTDOWN_TIMEOUT_S = sender.TIMEOUT_S = 600
network.SILENCE_MAX_S = float(silence_s)
behaviour = json.decode(behaviour, type=Behaviour)
receiver = Receiver(*receiver) if receiver else None
sys.exit(process.run(Path(path), "127.0.0.1", int(port), behaviour, receiver))
"""

_NUMBERS = count(1)


def authorization(payment_method: str = "pm_card_visa", sale: bool = False) -> PspCall:
    """A first authorization of 1000 under a key of its own."""
    key = f"authorize:{next(_NUMBERS)}/?&é"
    return PspCall(OperationType.AUTHORIZE, key, "shop", "acc", "", 1000, "USD", payment_method, "", sale)


def modification(operation: OperationType, payment_id: str, amount: int) -> PspCall:
    """A capture, cancel or refund under a key of its own."""
    key = f"{operation}:{next(_NUMBERS)}"
    return PspCall(operation, key, "shop", "acc", "", amount, "USD", "", payment_id)


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator and what its tests ask of it."""

    process: subprocess.Popen[str]
    url: str

    @contextmanager
    def connector(self, timeout_s: float = ANSWERED_WITHIN_S) -> Iterator[SimulatorConnector]:
        """A connector to it."""
        connector = SimulatorConnector(lambda _: self.url, timeout_s, 86_400, lambda _: SECRET)
        try:
            yield connector
        finally:
            connector.close()

    def address(self) -> tuple[str, int]:
        """Host and port."""
        url = urlparse(self.url)
        assert url.hostname
        assert url.port
        return url.hostname, url.port

    def behave(self, **behaviour: object) -> None:
        """Changes its behaviour; what is not named is as at the start."""
        response = urllib3.request("PUT", f"{self.url}/behaviour", json=behaviour, retries=False)
        assert response.status == 200, response.data

    def effects(self) -> list[dict[str, Any]]:
        """Everything that moved, in order."""
        return self._list("effects")

    def moved(self, *calls: PspCall) -> list[tuple[str, int, int]]:
        """Operation, amount and execution of what moved under the keys of ``calls``, in order."""
        keys = {call.psp_key for call in calls}
        effects = [effect for effect in self.effects() if effect["reference"] in keys]
        return [(effect["operation"], effect["amount"], effect["execution"]) for effect in effects]

    def executions(self) -> list[dict[str, Any]]:
        """Every request that was executed, in order, with those that moved nothing."""
        return self._list("executions")

    def deliveries(self) -> list[dict[str, Any]]:
        """Every webhook, in order, with those still to be sent."""
        return self._list("deliveries")

    def webhooks_waiting(self) -> int:
        """How many webhooks are still to be sent."""
        answer = urllib3.request("GET", f"{self.url}/deliveries?limit=1", retries=False).json()
        return cast(int, answer["waiting"])

    def complete(self, payment_id: str, succeeds: bool | None = None) -> dict[str, Any]:
        """The payer acts on a challenge; what the simulator answers."""
        url = f"{self.url}/payments/{payment_id}/complete"
        response = urllib3.request("POST", url, json={"succeeds": succeeds}, retries=False)
        return cast(dict[str, Any], response.json())

    def catch_up(self) -> None:
        """Waits until it has read what was sent to it before, over whatever connections."""
        for _ in range(2):
            # A connection of its own is accepted behind theirs.
            with urllib3.PoolManager(retries=False) as pool:
                assert pool.request("GET", f"{self.url}/health").status == 200

    def pause(self) -> None:
        """Stops it in the middle of whatever it does; what is sent to it waits."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on; nothing happens where it is not paused."""
        self.process.send_signal(signal.SIGCONT)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Paused until the block ends."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def stop(self) -> int:
        """Asks it to end, and answers its exit code."""
        self.process.terminate()
        return self.process.wait(WAIT_S)

    def kill(self) -> None:
        """Ends it without a chance to finish anything."""
        self.process.kill()
        self.process.wait(WAIT_S)

    def _list(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while page := self._page(name, rows[-1]["sequence"] if rows else 0):
            rows += page
        return rows

    def _page(self, name: str, after: int) -> list[dict[str, Any]]:
        response = urllib3.request("GET", f"{self.url}/{name}?after={after}", retries=False)
        assert response.status == 200, response.data
        return cast(list[dict[str, Any]], response.json()[name])


def simulator_command(
    data_path: Path,
    port: int,
    silence_s: float = SILENCE_MAX_S,
    webhooks_to: str = "",
    behaviour: Mapping[str, object] = EMPTY,
) -> list[str]:
    """The command that runs a simulator; what it leaves unanswered is a time-out after ``silence_s``."""
    program = [sys.executable, "-c", _PROGRAM, str(data_path), str(port), str(silence_s)]
    return [*program, json.dumps(dict(behaviour)), *([webhooks_to, SECRET] if webhooks_to else [])]


@contextmanager
def running_simulator(
    data_path: Path,
    port: int = 0,
    silence_s: float = SILENCE_MAX_S,
    webhooks_to: str = "",
    behaviour: Mapping[str, object] = EMPTY,
) -> Iterator[Simulator]:
    """Runs a simulator on ``data_path``, on a port that nobody else takes while it is away.

    With ``webhooks_to``, a URL, it tells what happens, signed with SECRET.
    """
    command = simulator_command(data_path, port or free_port(), silence_s, webhooks_to, behaviour)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield Simulator(process, _ready_url(process))
    finally:
        process.kill()
        process.wait(WAIT_S)
        if process.stderr:
            process.stderr.close()


@contextmanager
def two_simulators(
    directory: Path, webhooks_to: str = "", behaviour: Mapping[str, object] = EMPTY
) -> Iterator[tuple[Simulator, Simulator]]:
    """Two PSPs, for connectors that read ``environment_of``."""
    with (
        running_simulator(directory / "a.sqlite", webhooks_to=webhooks_to, behaviour=behaviour) as first,
        running_simulator(directory / "b.sqlite", webhooks_to=webhooks_to, behaviour=behaviour) as second,
    ):
        yield first, second


def environment_of(first: Simulator, second: Simulator) -> dict[str, str]:
    """What makes them the PSPs of the accounts ``simulator`` and ``simulator_b``."""
    return {
        "SIMULATOR_URL": first.url,
        "B_SIMULATOR_URL": second.url,
        "SIMULATOR_WEBHOOK_SECRET": SECRET,
    }


def _ready_url(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    line = process.stderr.readline()
    if not line.startswith("simulator ready on "):
        process.kill()
        raise AssertionError(line + process.stderr.read())
    return line.split()[-1]


def sent(simulator: Simulator, call: PspCall) -> socket.socket:
    """A connection on which an authorization was sent; nobody waits for the answer."""
    body = json.dumps(
        {
            "psp_account": call.psp_account_id,
            "merchant": call.merchant_id,
            "reference": call.psp_key,
            "amount": call.amount,
            "currency": call.currency,
            "payment_method": call.payment_method,
        }
    ).encode()
    connection = socket.create_connection(simulator.address(), timeout=WAIT_S)
    connection.sendall(
        b"POST /authorize HTTP/1.1\r\nHost: psp\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    return connection
