"""`payflow ledger`."""

from __future__ import annotations

import click

from server.cli.ledger.opening import open_
from server.cli.ledger.postings import post, reverse
from server.cli.ledger.reads import balances, statement


@click.group("ledger")
def command() -> None:
    """Read and keep a merchant's book on a running server.

    Amounts are typed and shown with the decimals of their currency, 25.00USD or 2500JPY. Debits are
    positive and credits negative; AVAILABLE is in the normal direction of the account's type.

    \b
    Examples:
      payflow ledger balances --merchant shop_1
      payflow ledger statement cash --merchant shop_1 --from 2026-01-01 --to 2026-02-01
      payflow ledger post --merchant shop_1 --debit cash=25.00USD --credit wallet:alice=25.00USD
      payflow ledger reverse txn_01m83r7m7zef2b586ssnrcjsb1b3zkwz

    docs/ledger.md shows how to model a wallet, a marketplace, an escrow and currency exchange.
    """


for _one in (balances, statement, open_, post, reverse):
    command.add_command(_one)
