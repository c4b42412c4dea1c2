"""Books on the terminal; amounts are major units, debits positive."""

from __future__ import annotations

from collections.abc import Iterable

import click

from payflow.v1 import ledger_pb2 as pb
from server.cli.amounts import major_units
from server.cli.output import print_fields, print_table, time_text
from server.gateway.enum_names import enum_names

BALANCES = ("ACCOUNT", "CURRENCY", "POSTED", "PENDING DEBITS", "PENDING CREDITS", "AVAILABLE", "VERSION")
TOTALS = ("CURRENCY", "DEBITS", "CREDITS", "DIFFERENCE")
STATEMENT = ("RECORDED AT", "TRANSACTION", "LAYER", "AMOUNT", "POSTED", "AVAILABLE", "VERSION")
ENTRIES = ("ACCOUNT", "LAYER", "AMOUNT", "CURRENCY", "POSTED", "AVAILABLE", "VERSION")
NUMBERS = frozenset(
    {
        "POSTED",
        "PENDING DEBITS",
        "PENDING CREDITS",
        "AVAILABLE",
        "VERSION",
        "AMOUNT",
        "DEBITS",
        "CREDITS",
        "DIFFERENCE",
    }
)

_LAYERS = enum_names(pb.Layer.DESCRIPTOR)
_STATUSES = enum_names(pb.TransactionStatus.DESCRIPTOR)
_TYPES = enum_names(pb.AccountType.DESCRIPTOR)


def print_balances(balances: Iterable[pb.Balance]) -> None:
    """A row for each account."""
    print_table(BALANCES, map(_balance_row, balances), NUMBERS)


def print_totals(totals: Iterable[pb.CurrencyTotal]) -> None:
    """A row for each currency of a book."""
    rows = (
        (
            total.currency,
            *(major_units(sum_, total.currency) for sum_ in (total.debits, total.credits, total.difference)),
        )
        for total in totals
    )
    print_table(TOTALS, rows, NUMBERS)


def print_statement(statement: pb.AccountStatement) -> None:
    """The account, then opening, entries and closing."""
    account = statement.account
    print_fields(
        {"account": account.id, "type": _TYPES.get(account.type, ""), "currency": account.currency}
        | ({"name": account.name} if account.name else {})
    )
    click.echo()
    rows = [
        _standing_row("opening", statement.opening),
        *map(_statement_row, statement.entries),
        _standing_row("closing", statement.closing),
    ]
    print_table(STATEMENT, rows, NUMBERS)


def print_transaction(transaction: pb.Transaction) -> None:
    """Its fields that are set, then its entries with what they left behind."""
    fields = {
        "id": transaction.id,
        "status": _STATUSES.get(transaction.status, ""),
        "description": " ".join(transaction.description.split()),
        "reference": transaction.reference,
        "reverses": transaction.reverses_transaction_id,
        "resolves": transaction.resolves_transaction_id,
        "metadata": " ".join(f"{key}={value}" for key, value in sorted(transaction.metadata.items())),
        "effective at": time_text(transaction.effective_at) if transaction.HasField("effective_at") else "",
        "created at": time_text(transaction.created_at),
        "expires at": time_text(transaction.expires_at) if transaction.HasField("expires_at") else "",
    }
    print_fields({name: value for name, value in fields.items() if value})
    click.echo()
    print_table(ENTRIES, map(_entry_row, transaction.entries), NUMBERS)


def _balance_row(balance: pb.Balance) -> tuple[str, ...]:
    sums = (balance.posted, balance.pending_debits, balance.pending_credits, balance.available)
    return (
        balance.account_id,
        balance.currency,
        *(major_units(sum_, balance.currency) for sum_ in sums),
        str(balance.version),
    )


def _standing_row(name: str, balance: pb.Balance) -> tuple[str, ...]:
    sums = (major_units(sum_, balance.currency) for sum_ in (balance.posted, balance.available))
    return (name, "", "", "", *sums, str(balance.version))


def _statement_row(entry: pb.Entry) -> tuple[str, ...]:
    return (time_text(entry.recorded_at), entry.transaction_id, _layer(entry), *_moved(entry))


def _entry_row(entry: pb.Entry) -> tuple[str, ...]:
    amount, *behind = _moved(entry)
    return (entry.account_id, _layer(entry), amount, entry.currency, *behind)


def _moved(entry: pb.Entry) -> tuple[str, ...]:
    sums = (entry.amount, entry.posted_after, entry.available_after)
    return (*(major_units(sum_, entry.currency) for sum_ in sums), str(entry.account_version))


def _layer(entry: pb.Entry) -> str:
    return "release" if entry.releases else _LAYERS.get(entry.layer, "")
