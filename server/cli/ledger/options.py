"""Options that several commands of `payflow ledger` have."""

from __future__ import annotations

import click

from server.cli.ledger.arguments import key_and_value

merchant_option = click.option(
    "--merchant", "merchant_id", metavar="MERCHANT", required=True, help="The merchant whose book it is."
)
metadata_option = click.option(
    "--metadata",
    type=key_and_value,
    multiple=True,
    metavar="KEY=VALUE",
    help="Data of your own; may be repeated.",
)
