"""Entry point of `payflow`: its commands, each a module that is imported when the command runs."""

from __future__ import annotations

from typing import NamedTuple

import click

from server.cli.commands import Commands


class _Entry(NamedTuple):
    module: str
    summary: str


COMMANDS = {
    "dev": _Entry("server.cli.dev", "Start everything on this machine and run until Ctrl-C."),
    "serve": _Entry("server.cli.serve", "Run the gRPC server."),
    "gateway": _Entry("server.cli.gateway", "Run the HTTP gateway in front of the gRPC server."),
    "worker": _Entry(
        "server.cli.worker", "Run the workers: recovery, webhooks, expiry, audit, seals, clean-up."
    ),
    "psp-simulator": _Entry("server.cli.psp_simulator", "Run the simulated PSP that test payments go to."),
    "migrate": _Entry("server.cli.migrate", "Bring the database's schema up or down."),
    "intents": _Entry("server.cli.intents", "Find payments whose outcome is not known, and ask their PSP."),
    "merchant": _Entry("server.cli.merchant", "Create, show and change merchants."),
    "psp-account": _Entry("server.cli.psp_account", "Create, show and change a merchant's accounts at PSPs."),
    "routing": _Entry(
        "server.cli.routing.group", "Decide which PSP accounts payments go to, and see why they did."
    ),
    "ledger": _Entry(
        "server.cli.ledger.group", "Read and keep a merchant's book: balances, statements, postings."
    ),
    "analytics": _Entry("server.cli.analytics", "See a merchant's daily totals."),
    "replay": _Entry(
        "server.cli.replay", "Rebuild everything from the events, and compare it with what is stored."
    ),
    "dlq": _Entry(
        "server.cli.dlq", "See events that a consumer could not take, and have them tried again or discarded."
    ),
    "webhook-endpoints": _Entry(
        "server.cli.webhook_endpoints", "Tell merchants what happens: endpoints, secrets, deliveries."
    ),
    "verify": _Entry(
        "server.cli.verify", "Recompute the sealed ledger, and name what is not as it was sealed."
    ),
    "webhooks": _Entry(
        "server.cli.webhooks", "See what PSPs told, and have parked events tried again or discarded."
    ),
}


@click.group(cls=Commands, entries=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="payflow")
def main() -> None:
    """Payments with a double-entry ledger, over gRPC and HTTP.

    Start everything on this machine with `payflow dev`. Settings come from environment variables, such
    as API_PORT, GRPC_PORT and DATABASE_URL; the README lists them all.

    \b
    Examples:
      payflow dev
      API_PORT=8081 GRPC_PORT=50052 PROMETHEUS_PORT=9091 payflow dev
      payflow merchant create shop_1 --name "Shop One"
      payflow COMMAND --help
    """


if __name__ == "__main__":
    main(prog_name="payflow")
