"""Reads the ledger, whole."""

from __future__ import annotations

from payflow.store.ledger.accounts_reader import AccountsReader
from payflow.store.ledger.balances_reader import BalancesReader
from payflow.store.ledger.entries_reader import EntriesReader
from payflow.store.ledger.statement_reader import StatementReader
from payflow.store.ledger.transactions_reader import TransactionsReader
from payflow.store.proof.proof_reader import ProofReader


class LedgerReader(
    AccountsReader, TransactionsReader, EntriesReader, BalancesReader, StatementReader, ProofReader
):
    """Fulfils payflow.commands.ports.Ledger. The subjects are written apart."""
