"""`payflow routing` against a running server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from server.cli.main import main
from tests.integration.api.test_routing import open_shop
from tests.payments import Caller

RULES = {
    "rules": [
        {
            "name": "large",
            "conditions": [{"amount_min": 50000, "currencies": ["USD"]}, {"metadata_key": "tier"}],
            "accounts": [{"psp_account_id": "dear"}],
            "only_listed": True,
        },
        {
            "name": "halves",
            "strategy": "split",
            "conditions": [{"countries": ["DE"], "metadata_key": "tier", "metadata_values": ["gold"]}],
            "accounts": [{"psp_account_id": "dear", "weight": 1}, {"psp_account_id": "cheap", "weight": 1}],
        },
        {"name": "scored", "strategy": "score", "accounts": [{"psp_account_id": "cheap"}]},
    ]
}
EXPERIMENT = {
    "name": "Cheaper?",
    "arms": [
        {"name": "control", "share_percent": 50},
        {"name": "cheap", "share_percent": 50, "rules": RULES},
    ],
}


class RoutingCommand:
    """Runs its subcommands against one server, in a directory for files."""

    def __init__(self, address: str, directory: Path) -> None:
        self._address = address
        self._directory = directory

    def file(self, content: object) -> str:
        path = self._directory / "content.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["routing", *arguments, "--address", self._address])

    def lines(self, *arguments: str) -> list[str]:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return [" ".join(line.split()) for line in result.stdout.splitlines()]

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def refused(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 1, result.output
        return result.output


@pytest.fixture
def command(address: str, tmp_path: Path) -> RoutingCommand:
    return RoutingCommand(address, tmp_path)


@pytest.fixture
def shop(caller: Caller) -> Caller:
    open_shop(caller)
    return caller


def test_rules_are_set_shown_and_listed(command: RoutingCommand, shop: Caller) -> None:
    merchant = shop.merchant_id
    file = command.file(RULES)
    assert command.lines("rules", "validate", merchant, file) == ["the rules are good"]
    shown = command.lines("rules", "set", merchant, file)
    assert shown[0] == "version 1"
    assert shown[2:4] == ["weights success 100, cost 500, latency 1", "exploration at most 5 %"]
    assert shown[5:] == [
        "NAME WHEN STRATEGY ACCOUNTS OTHERS",
        "large amount >= 50000; currency USD; has tier priority dear no",
        "halves country DE; tier gold split dear 1, cheap 1 as fallbacks",
        "scored always score cheap as fallbacks",
    ]
    assert command.lines("rules", "show", merchant, "--version", "1") == shown
    assert [one["version"] for one in command.json("rules", "versions", merchant)] == [1]
    assert command.json("rules", "show", merchant)["rules"][0]["conditions"][0]["amount_min"] == 50_000


def test_bad_files_are_refused_with_the_place(command: RoutingCommand, shop: Caller) -> None:
    merchant = shop.merchant_id
    bad = command.file({"rules": [{"name": "x", "accounts": [{"psp_account_id": "gone"}]}]})
    place = "rules[0].accounts[0].psp_account_id"
    assert place in command.refused("rules", "validate", merchant, bad)
    assert f"VALIDATION_FAILED: {place}" in command.refused("rules", "set", merchant, bad)
    odd = command.file({"rules": [{"name": "x", "strategy": "best"}]})
    assert "rules[0].strategy must be one of priority, split, score" in command.refused(
        "rules", "set", merchant, odd
    )
    assert "is not JSON" in command.refused("rules", "set", merchant, command.file("rules:"))
    assert "the content must be an object" in command.refused("rules", "set", merchant, command.file("[]"))


def test_a_decision_is_explained_with_other_rules_beside_it(command: RoutingCommand, shop: Caller) -> None:
    intent = shop.authorize(shop.create().id)
    explained = command.lines("explain", intent.id, "--what-if", command.file(RULES))
    assert explained[:5] == [
        "rule none: accounts by priority",
        "strategy priority",
        "",
        "PLACE ACCOUNT CONNECTOR COST SUCCESS SAMPLES MS SCORE EXCLUDED",
        "1 dear simulator 300 - 0 - -",
    ]
    assert explained[8] == "STARTED AT ATTEMPT OPERATION ACCOUNT STATE FAILURE"
    assert explained[9].endswith(" authorize dear succeeded")
    other = explained.index("with the other rules:")
    assert explained[other + 2] == "rule scored"
    assert explained[other + 6].startswith("1 cheap simulator 150 - 0 - 0.")
    assert command.json("explain", intent.id)["decision"]["order"] == ["dear", "cheap", "simulator"]


def test_an_experiment_from_start_to_stop(command: RoutingCommand, shop: Caller) -> None:
    merchant = shop.merchant_id
    started = command.json("experiment", "start", merchant, command.file(EXPERIMENT))
    for number in range(8):
        shop.authorize(shop.create(payment_method="pm_card_declined" if number == 0 else "").id)
    shown = command.lines("experiment", "show", merchant, started["id"])
    assert shown[:3] == [f"id {started['id']}", "name Cheaper?", "status running"]
    header = "ARM SHARE ASSIGNED APPROVED DECLINED RATE RANGE DIFFERENCE RANGE OF IT"
    arms = shown[shown.index(header) + 1 :][:2]
    assert [line.split()[:3] for line in arms] == [["control", "50", "%"], ["cheap", "50", "%"]]
    assert sum(int(line.split()[3]) for line in arms) == 8
    assert "ARM CURRENCY PAYMENTS AMOUNT COST MEAN BPS" in shown
    stopped = command.lines("experiment", "stop", merchant, started["id"])
    assert stopped[2:4] == ["status stopped", "stopped requested"]
    [listed] = command.lines("experiment", "list", merchant)[1:]
    assert listed.endswith(f"{started['id']} stopped requested Cheaper?")


def test_an_attempt_is_shown_with_why_it_failed(command: RoutingCommand, shop: Caller) -> None:
    intent = shop.authorize(shop.create().id, "pm_card_declined")
    assert command.lines("explain", intent.id)[-1].endswith(" authorize dear declined card_declined")
