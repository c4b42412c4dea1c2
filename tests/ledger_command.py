"""`payflow ledger` as an operator runs it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner, Result

from server.cli.main import main


@dataclass(frozen=True, slots=True)
class LedgerCommand:
    """Runs its subcommands against one server, for one merchant."""

    address: str
    merchant_id: str

    def run(self, name: str, *arguments: str, merchant: bool = True) -> Result:
        """Whatever comes of it."""
        scope = ["--merchant", self.merchant_id] if merchant else []
        return CliRunner().invoke(main, ["ledger", name, *arguments, *scope, "--address", self.address])

    def printed(self, name: str, *arguments: str, merchant: bool = True) -> str:
        """What it prints when all goes well."""
        result = self.run(name, *arguments, merchant=merchant)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, name: str, *arguments: str, merchant: bool = True) -> Any:
        """What it prints with --json."""
        return json.loads(self.printed(name, *arguments, "--json", merchant=merchant))

    def refused(self, name: str, *arguments: str, merchant: bool = True) -> str:
        """What the server's refusal is told as."""
        result = self.run(name, *arguments, merchant=merchant)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        *_, last = result.stderr.splitlines()
        return last.removeprefix("Error: ")

    def misused(self, name: str, *arguments: str) -> str:
        """What is told when nothing is sent."""
        result = self.run(name, *arguments)
        assert result.exit_code == 2, result.output
        return result.stderr
