"""`payflow dev` as a person uses it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg
import pytest
import urllib3

from tests.ports import free_port
from tests.waiting import WAIT_S, wait_until

SET_BY_THE_STACK = (
    "DATABASE_URL",
    "MIGRATE_DATABASE_URL",
    "REDIS_URL",
    "KAFKA_BROKERS",
    "SIMULATOR_URL",
    "B_SIMULATOR_URL",
    "SIMULATOR_WEBHOOK_SECRET",
    "B_SIMULATOR_WEBHOOK_SECRET",
)

# On a busy machine the PSPs, which are processes of it, may take their time.
PATIENT = {"SIMULATOR_TIMEOUT": f"{WAIT_S:g}s"}

# Each start has an output of its own: one that is refused on the same data must not cut off the other's.
_starts = count(1)


@dataclass
class RunningStack:
    process: subprocess.Popen[str]
    data_dir: Path
    output: Path
    addresses: dict[str, str]

    def post(self, path: str, body: dict[str, object], idempotency_key: str) -> tuple[int, dict[str, object]]:
        """Status and JSON body of a POST to the gateway."""
        connection = http.client.HTTPConnection(
            self.addresses["http"].removeprefix("http://"), timeout=WAIT_S
        )
        try:
            headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.load(response)
        finally:
            connection.close()

    def patch(self, path: str, body: dict[str, object], idempotency_key: str) -> int:
        """Status of a PATCH to the gateway."""
        headers = {"Idempotency-Key": idempotency_key}
        url = f"{self.addresses['http']}{path}"
        return urllib3.request("PATCH", url, json=body, headers=headers, timeout=WAIT_S).status

    def get(self, path: str) -> tuple[int, dict[str, object]]:
        """Status and JSON body of a GET from the gateway."""
        connection = http.client.HTTPConnection(
            self.addresses["http"].removeprefix("http://"), timeout=WAIT_S
        )
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, json.load(response)
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        """It says so unless it is too busy to answer itself in time."""
        wait_until(lambda: self.get("/ready")[0] == 200)

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> int:
        """What Ctrl-C does: SIGINT to the foreground process group; then the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        code = self.process.wait(WAIT_S)
        print(self.output.read_text())
        return code


@contextmanager
def payflow_dev(data_dir: Path, **environment: str) -> Iterator[RunningStack]:
    """`payflow dev` on free ports, until it is ready and then until the caller is done."""
    output = data_dir.with_name(f"{next(_starts)}.out")
    inherited = {name: value for name, value in os.environ.items() if name not in SET_BY_THE_STACK}
    ports = {name: str(free_port()) for name in ("API_PORT", "GRPC_PORT", "PROMETHEUS_PORT")}
    with output.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "server.cli.main", "dev"],
            env=inherited | PATIENT | ports | {"PAYFLOW_DATA_DIR": str(data_dir)} | environment,
            stdout=out,
            stderr=out,
            text=True,
            process_group=0,
        )
    try:
        wait_until(lambda: process.poll() is not None or _ready_line(output) is not None)
        ready = _ready_line(output)
        assert ready is not None, f"payflow dev is not ready:\n{output.read_text()}"
        addresses = dict(part.split("=", 1) for part in ready.split()[1:])
        yield RunningStack(process, data_dir, output, addresses)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(WAIT_S)


def _ready_line(output: Path) -> str | None:
    lines = output.read_text().splitlines(keepends=True)
    return next((line for line in lines if line.startswith("ready ") and line.endswith("\n")), None)


def _gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=WAIT_S)
    return not alive


@contextmanager
def _data_dir() -> Iterator[Path]:
    """Not below pytest's own directory, which each start of pytest closes to PostgreSQL's user."""
    with TemporaryDirectory(prefix="payflow-dev-", ignore_cleanup_errors=True) as directory:
        yield Path(directory) / "data"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with _data_dir() as directory:
        yield directory


def test_a_payment_intent_survives_a_restart(data_dir: Path) -> None:
    with payflow_dev(data_dir) as first:
        assert set(first.addresses) == {
            "http",
            "grpc",
            "metrics",
            "postgresql",
            "redis",
            "kafka",
            "simulator",
            "simulator_b",
        }
        first.wait_until_ready()
        status, created = first.post(
            "/v1/payment_intents",
            {"merchant_id": "merchant_test", "amount": 10_000, "currency": "USD"},
            "test-1",
        )
        assert status == 201
        with psycopg.connect(first.addresses["postgresql"]) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            assert connection.info.user == "payflow_app"
        _assert_both_psps_take_payments(first)
        secrets = _webhook_secrets(data_dir)
        assert len(secrets) == 2
        everything = first.descendants()
        assert len(everything) >= 8
        assert first.interrupt() == 0
        assert _gone(everything)

    with payflow_dev(data_dir) as second:
        assert second.get(f"/v1/payment_intents/{created['id']}") == (200, created)
        assert _webhook_secrets(data_dir) == secrets
        assert second.interrupt() == 0


def _webhook_secrets(data_dir: Path) -> set[str]:
    return {path.read_text() for path in data_dir.glob("simulator*.secret")}


def _assert_both_psps_take_payments(stack: RunningStack) -> None:
    """Each of them takes one, from the accounts that a new merchant has."""
    for name, others in (("simulator", ()), ("simulator_b", ("simulator",))):
        merchant_id = f"shop-of-{name}"
        new = {"merchant_id": merchant_id, "amount": 10_000, "currency": "USD"}
        intent_id = stack.post("/v1/payment_intents", new, "create-1")[1]["id"]
        for other in others:
            path = f"/v1/merchants/{merchant_id}/psp_accounts/{other}"
            assert stack.patch(path, {"enabled": False}, "disable-1") == 200
        authorized = stack.post(f"/v1/payment_intents/{intent_id}/authorize", {}, "authorize-1")[1]
        assert (authorized["status"], authorized["psp_account_id"]) == ("authorized", name)
        effects = urllib3.request("GET", f"{stack.addresses[name]}/effects").json()["effects"]
        assert [effect["merchant"] for effect in effects] == [merchant_id]


def test_nothing_outlives_a_killed_stack_and_the_next_one_starts(data_dir: Path) -> None:
    with payflow_dev(data_dir) as killed:
        everything = killed.descendants()
        killed.process.kill()
        killed.process.wait(WAIT_S)
        if sys.platform == "linux":
            assert _gone(everything)

    with payflow_dev(data_dir) as next_one:
        assert _gone(everything)
        next_one.wait_until_ready()
        assert next_one.interrupt() == 0


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    """One that is only asked."""
    with _data_dir() as directory, payflow_dev(directory) as running:
        yield running


def test_the_sample_call_works_as_it_is_printed(stack: RunningStack) -> None:
    lines = [line.strip() for line in stack.output.read_text().splitlines()]
    sample = next(line for line in lines if line.startswith("curl "))
    answer = subprocess.run(
        ["bash", "-c", f"{sample} --silent --show-error --max-time {WAIT_S:g}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_S,
    )
    assert json.loads(answer.stdout)["status"] == "created"


def test_a_second_stack_is_refused_on_the_same_data_and_runs_beside_on_its_own(stack: RunningStack) -> None:
    with pytest.raises(AssertionError) as refused, payflow_dev(stack.data_dir):
        pass
    assert f"another `payflow dev` (process {stack.process.pid}) is running on {stack.data_dir}" in str(
        refused.value
    )

    with payflow_dev(stack.data_dir.with_name("with a space, " + "a-long-name-" * 10)) as second:
        second.wait_until_ready()
        assert second.interrupt() == 0
    stack.wait_until_ready()
