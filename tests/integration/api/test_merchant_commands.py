"""`payflow merchant` and `payflow psp-account`, against a running server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from server.cli.main import main

Run = Callable[..., Result]


@pytest.fixture
def run(address: str) -> Run:
    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments, "--address", address])

    return invoke


def shown(run: Run, *arguments: str) -> Any:
    """What a command prints as JSON."""
    printed = run(*arguments, "--json")
    assert printed.exit_code == 0, printed.output
    return json.loads(printed.stdout)


def test_a_merchant_is_created_shown_changed_and_listed(run: Run) -> None:
    shop = f"shop_{uuid4().hex}"
    created = shown(run, "merchant", "create", shop, "--name", "Shop One", "--idempotency-key", shop)
    assert (created["id"], created["name"], created["mode"]) == (shop, "Shop One", "test")
    again = shown(run, "merchant", "create", shop, "--name", "Shop One", "--idempotency-key", shop)
    assert again == created
    assert shown(run, "merchant", "update", shop, "--name", "Shop No. 1")["name"] == "Shop No. 1"
    assert shown(run, "merchant", "get", shop)["version"] == created["version"] + 1
    assert "Shop No. 1" in run("merchant", "get", shop).stdout
    live = shown(run, "merchant", "create", f"{shop}.live", "--live")
    assert live["mode"] == "live"

    every = shown(run, "merchant", "list", "--limit", "10000")
    assert [one["id"] for one in every if one["id"].startswith(shop)] == [shop, f"{shop}.live"]
    some = run("merchant", "list", "--limit", "1")
    assert some.stdout.splitlines()[0].split() == ["ID", "NAME", "MODE", "VERSION", "CREATED_AT"]
    assert (len(some.stdout.splitlines()), some.stderr) == (2, "there are more than 1; see --limit\n")


def test_an_account_is_created_shown_changed_and_listed(run: Run) -> None:
    shop = f"shop_{uuid4().hex}"
    shown(run, "merchant", "create", shop)
    options = ("--connector", "simulator", "--fee-bps", "250", "--fee-fixed", "10", "--priority", "2")
    created = shown(run, "psp-account", "create", shop, "second", *options)
    assert (created["id"], created["fee_bps"], created["fee_fixed"]) == ("second", 250, 10)
    changes = ("--cost-bps", "145", "--cost-fixed", "11", "--disable")
    changed = shown(run, "psp-account", "update", shop, "second", *changes)
    assert (changed["cost_bps"], changed["cost_fixed"], changed["enabled"]) == (145, 11, False)
    assert (changed["fee_bps"], changed["priority"]) == (250, 2)
    assert shown(run, "psp-account", "get", shop, "second") == changed
    assert [one["id"] for one in shown(run, "psp-account", "list", shop)] == ["second", "simulator"]
    head, *rows = run("psp-account", "list", shop).stdout.splitlines()
    assert head.startswith("ID ") and len(rows) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("merchant", "get", "nobody"), "NOT_FOUND: "),
        (("merchant", "create", "no merchant"), "VALIDATION_FAILED: merchant_id: "),
        (("psp-account", "get", "nobody", "simulator"), "NOT_FOUND: "),
        (("psp-account", "create", "nobody", "b", "--connector", "simulator"), "NOT_FOUND: "),
    ],
)
def test_a_refusal_is_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"Error: {said}")
    assert len(refused.stderr.splitlines()) == 1
