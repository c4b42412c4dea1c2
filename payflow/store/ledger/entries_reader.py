"""Reads entries of an account or of a transaction, in either direction."""

from __future__ import annotations

from payflow.domain.ledger.statements import EntryFilter, RecordedEntry
from payflow.store import ledger_rows, rows
from payflow.store.database.read_pool import Query, ReadPool
from payflow.store.ledger_rows import ENTRY_COLUMNS

ALL_ENTRIES = f"""
    SELECT {ENTRY_COLUMNS}
    FROM entries AS entry
    JOIN accounts AS account ON account.merchant_id = entry.merchant_id AND account.id = entry.account_id
    WHERE entry.merchant_id = %s
"""
OF_ACCOUNT = f"{ALL_ENTRIES} AND entry.account_id = %s"
OF_ACCOUNT_RISING = f"{OF_ACCOUNT} AND entry.account_version > %s ORDER BY entry.account_version LIMIT %s"
OF_ACCOUNT_FALLING = (
    f"{OF_ACCOUNT} AND entry.account_version < %s ORDER BY entry.account_version DESC LIMIT %s"
)

OF_TRANSACTION = f"{ALL_ENTRIES} AND entry.transaction_id = %s"
RISING = " AND entry.position > %s ORDER BY entry.position LIMIT %s"
FALLING = " AND entry.position < %s ORDER BY entry.position DESC LIMIT %s"
OF_TRANSACTION_RISING = f"{OF_TRANSACTION} {RISING}"
OF_TRANSACTION_FALLING = f"{OF_TRANSACTION} {FALLING}"
OF_BOTH_RISING = f"{OF_TRANSACTION} AND entry.account_id = %s {RISING}"
OF_BOTH_FALLING = f"{OF_TRANSACTION} AND entry.account_id = %s {FALLING}"

HAS_ACCOUNT = "SELECT true FROM accounts WHERE merchant_id = %s AND id = %s"
HAS_TRANSACTION = "SELECT true FROM transactions WHERE merchant_id = %s AND id = %s"


class EntriesReader:
    """What callers see of entries. Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def entries(
        self,
        merchant_id: str,
        wanted: EntryFilter,
        beyond: int,
        rising: bool,
        limit: int,
        deadline: float,
    ) -> list[RecordedEntry] | None:
        """Entries beyond an account version, or beyond a position where a transaction is given.

        None where there is no such account or transaction.
        """
        known, found = self._pool.snapshot(_queries(merchant_id, wanted, beyond, rising, limit), deadline)
        return [recorded_entry(row) for row in found] if known else None


def recorded_entry(row: rows.Row) -> RecordedEntry:
    """A row with ENTRY_COLUMNS."""
    return RecordedEntry(
        ledger_rows.booked_entry(row), row["transaction_id"], row["position"], row["recorded_at"]
    )


def _queries(merchant_id: str, wanted: EntryFilter, beyond: int, rising: bool, limit: int) -> list[Query]:
    account_id, transaction_id = wanted.account_id, wanted.transaction_id
    if not transaction_id:
        query = OF_ACCOUNT_RISING if rising else OF_ACCOUNT_FALLING
        parameters = (merchant_id, account_id, beyond, limit)
        return [(HAS_ACCOUNT, (merchant_id, account_id)), (query, parameters)]
    known = (HAS_TRANSACTION, (merchant_id, transaction_id))
    if not account_id:
        query = OF_TRANSACTION_RISING if rising else OF_TRANSACTION_FALLING
        return [known, (query, (merchant_id, transaction_id, beyond, limit))]
    query = OF_BOTH_RISING if rising else OF_BOTH_FALLING
    return [known, (query, (merchant_id, transaction_id, account_id, beyond, limit))]
