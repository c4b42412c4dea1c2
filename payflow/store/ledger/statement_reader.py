"""Reads statements of account."""

from __future__ import annotations

from datetime import UTC, datetime

from payflow.domain.ledger.account import Balance
from payflow.domain.ledger.booking import EMPTY
from payflow.domain.ledger.statements import AccountBalance, AccountStatement, Period, RecordedEntry, Versions
from payflow.domain.resources import AccountView
from payflow.store.database.read_pool import ReadPool
from payflow.store.ledger.accounts_reader import ACCOUNT, account_view
from payflow.store.ledger.entries_reader import OF_ACCOUNT, recorded_entry

# The last version before an instant, one descent of entries_by_time; none without entries before it.
LAST_VERSION = """
        SELECT account_version
        FROM entries
        WHERE merchant_id = %s AND account_id = %s AND recorded_at < %s
        ORDER BY recorded_at DESC, account_version DESC
        LIMIT 1
"""
VERSIONS = f"SELECT ({LAST_VERSION}) AS opening, ({LAST_VERSION}) AS closing"

# The entries right before the period, first in it and last in it.
EDGES = f"{OF_ACCOUNT} AND entry.account_version = ANY(%s::bigint[])"
PAGE = f"""{OF_ACCOUNT} AND entry.account_version > %s AND entry.account_version <= %s
    ORDER BY entry.account_version LIMIT %s
"""

EVER_SINCE = datetime.min.replace(tzinfo=UTC)
FOR_EVER = datetime.max.replace(tzinfo=UTC)


class StatementReader:
    """What callers see of an account's history. Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def statement(
        self,
        merchant_id: str,
        account_id: str,
        period: Period,
        versions: Versions | None,
        after: int,
        limit: int,
        deadline: float,
    ) -> AccountStatement | None:
        """The period's entries above version ``after``; None without such an account.

        ``versions`` are those that an earlier page found the period to be. Entries never change, so
        every page of one statement speaks of the same ones.
        """
        scope = (merchant_id, account_id)
        with self._pool.instant(deadline) as ask:
            account = ask(ACCOUNT, scope)
            if not account:
                return None
            if versions is None:
                begin, end = period.start or EVER_SINCE, period.end or FOR_EVER
                [found] = ask(VERSIONS, (*scope, begin, *scope, end))
                versions = Versions(found["opening"] or 0, found["closing"] or 0)
            edges = ask(EDGES, (*scope, [versions.opening, versions.opening + 1, versions.closing]))
            entries = ask(PAGE, (*scope, max(after, versions.opening), versions.closing, limit))
        return _statement(
            account_view(account[0]),
            period,
            versions,
            [recorded_entry(row) for row in edges],
            [recorded_entry(row) for row in entries],
        )


def _statement(
    account: AccountView,
    period: Period,
    versions: Versions,
    edges: list[RecordedEntry],
    entries: list[RecordedEntry],
) -> AccountStatement:
    """A period without bounds begins and ends with its entries."""
    by_version = {edge.booked.account_version: edge for edge in edges}
    first = by_version.get(versions.opening + 1) if versions.opening < versions.closing else None
    last = by_version.get(versions.closing)
    return AccountStatement(
        account,
        versions,
        _balance(account, by_version.get(versions.opening), period.start or _recorded_at(first)),
        entries,
        _balance(account, last, period.end or _recorded_at(last)),
    )


def _balance(account: AccountView, last: RecordedEntry | None, as_of: datetime | None) -> AccountBalance:
    """What the account held behind its ``last`` entry."""
    kept = account.account
    return AccountBalance(kept.id, kept.type, kept.currency, _held(last) if last else EMPTY, as_of)


def _recorded_at(entry: RecordedEntry | None) -> datetime | None:
    return entry.recorded_at if entry else None


def _held(last: RecordedEntry) -> Balance:
    booked = last.booked
    return Balance(
        booked.posted_after,
        booked.pending_debits_after,
        booked.pending_credits_after,
        booked.account_version,
        last.recorded_at,
    )
