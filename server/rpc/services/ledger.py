"""LedgerService, whole."""

from __future__ import annotations

from server.rpc.services.ledger_postings import LedgerPostings
from server.rpc.services.ledger_reads import LedgerReads


class Ledger(LedgerReads, LedgerPostings):
    """Reads and changes of a book are written apart."""
