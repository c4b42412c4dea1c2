"""`payflow routing`."""

from __future__ import annotations

import click

from server.cli.routing.experiment import experiment
from server.cli.routing.explain import explain
from server.cli.routing.rules import rules


@click.group("routing")
def command() -> None:
    """Decide which PSP accounts payments go to, and see why they did, on a running server.

    Files are JSON, as in docs/routing.md.

    \b
    Examples:
      payflow routing rules set shop_1 rules.json
      payflow routing explain pi_01m83r7m7zef2b586ssnrcjsb1b3zkwz --what-if rules.json
      payflow routing experiment start shop_1 experiment.json
    """


for _one in (rules, explain, experiment):
    command.add_command(_one)
