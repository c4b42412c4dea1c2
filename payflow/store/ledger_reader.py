"""Reads the ledger, whole."""

from __future__ import annotations

from payflow.store.accounts_reader import AccountsReader
from payflow.store.balances_reader import BalancesReader
from payflow.store.entries_reader import EntriesReader
from payflow.store.proof_reader import ProofReader
from payflow.store.statement_reader import StatementReader
from payflow.store.transactions_reader import TransactionsReader


class LedgerReader(
    AccountsReader, TransactionsReader, EntriesReader, BalancesReader, StatementReader, ProofReader
):
    """Fulfils payflow.commands.ports.Ledger. The subjects are written apart."""
