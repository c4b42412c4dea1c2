from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from server.cli.main import COMMANDS, main
from tests.ports import free_port
from tests.waiting import WAIT_S

LEAVES = [
    ["merchant", "create"],
    ["merchant", "get"],
    ["merchant", "list"],
    ["merchant", "update"],
    ["psp-account", "create"],
    ["psp-account", "get"],
    ["psp-account", "list"],
    ["psp-account", "update"],
    ["ledger", "balances"],
    ["ledger", "statement"],
    ["ledger", "open"],
    ["ledger", "post"],
    ["ledger", "reverse"],
    ["webhook-endpoints", "create"],
    ["webhook-endpoints", "get"],
    ["webhook-endpoints", "list"],
    ["webhook-endpoints", "update"],
    ["webhook-endpoints", "delete"],
    ["webhook-endpoints", "rotate-secret"],
    ["webhook-endpoints", "secret"],
    ["webhook-endpoints", "test"],
    ["webhook-endpoints", "deliveries"],
    ["webhook-endpoints", "redeliver"],
    ["webhooks", "list"],
    ["webhooks", "show"],
    ["webhooks", "retry"],
    ["migrate", "up"],
    ["migrate", "down"],
    ["migrate", "status"],
]


def help_of(*command: str) -> Result:
    return CliRunner().invoke(main, [*command, "--help"])


def refused(*command: str, **environment: str) -> str:
    """What a command that fails says; in a process of its own, because it may set up logging."""
    inherited = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    run = subprocess.run(
        [sys.executable, "-m", "server.cli.main", *command],
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("Error: ")
    assert "Traceback" not in run.stderr
    return run.stderr.removeprefix("Error: ").rstrip("\n")


def test_help_lists_every_command() -> None:
    result = help_of()

    assert result.exit_code == 0
    for name, entry in COMMANDS.items():
        assert f"  {name} " in result.output
        assert entry.summary.split()[0] in result.output


@pytest.mark.parametrize("command", [[name] for name in COMMANDS] + LEAVES, ids=" ".join)
def test_every_command_explains_itself(command: list[str]) -> None:
    result = help_of(*command)

    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: main {' '.join(command)} ")


def test_help_does_not_load_what_the_commands_need() -> None:
    slow = "{'confluent_kafka', 'google', 'grpc', 'psycopg', 'redis', 'uvicorn'}"
    code = f"import sys, server.cli.main; print(sorted({slow} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=WAIT_S
    )

    assert loaded.stdout.strip() == "[]"


def test_bad_configuration_is_one_clear_line() -> None:
    said = refused("serve", API_PORT="http")

    assert said == "API_PORT='http': expected a port number from 1 to 65535, such as 8080"


@pytest.mark.parametrize("command", ["serve", "worker", "migrate up", "migrate status"])
def test_a_missing_database_is_one_clear_line(command: str) -> None:
    said = refused(*command.split())

    assert said.startswith("DATABASE_URL: expected the URL of a PostgreSQL database")
    assert len(said.splitlines()) == 1


def test_a_database_that_refuses_is_named_without_its_password() -> None:
    said = refused("migrate", "status", DATABASE_URL="postgresql://app:hidden@127.0.0.1:1/payflow")

    assert said.startswith("postgresql://app:***@127.0.0.1:1/payflow: ")
    assert "hidden" not in said


@pytest.mark.parametrize(
    ("command", "variable"), [("gateway", "API_PORT"), ("dev", "API_PORT"), ("dev", "GRPC_PORT")]
)
def test_a_port_in_use_is_named_with_its_variable(command: str, variable: str, tmp_path: Path) -> None:
    ports = {name: str(free_port()) for name in ("API_PORT", "GRPC_PORT", "PROMETHEUS_PORT")}
    with socket.create_server(("127.0.0.1", int(ports[variable]))):
        said = refused(command, **ports, PAYFLOW_DATA_DIR=str(tmp_path))

    assert f"port {ports[variable]} on 127.0.0.1 is in use" in said
    assert f"{variable}=" in said


def test_a_simulator_that_cannot_behave_so_says_where_it_reads_that(tmp_path: Path) -> None:
    config = tmp_path / "behaviour.json"
    config.write_text('{"faults":{"error_before":2}}')
    said = refused("psp-simulator", "--config", str(config), "--port", str(free_port()))

    assert said == f"{config}: Expected `float` <= 1.0 - at `$.faults.error_before`"


def test_a_simulator_that_tells_somebody_needs_a_secret() -> None:
    said = refused("psp-simulator", "--webhooks-to", "http://127.0.0.1:1", "--port", str(free_port()))

    assert said.startswith("SIMULATOR_WEBHOOK_SECRET: expected the secret")


def test_a_server_that_is_not_there_is_one_clear_line() -> None:
    said = refused("merchant", "get", "shop_1", "--address", "127.0.0.1:1")

    assert said == (
        "no PayFlow server answers at 127.0.0.1:1; start one with `payflow dev`, or name it with --address"
    )
