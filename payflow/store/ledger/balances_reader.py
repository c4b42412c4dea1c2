"""Reads balances, now or as of an instant: one, many, and all of a book with their totals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from payflow.domain.ledger import statements
from payflow.domain.ledger.account import AccountType, Balance
from payflow.domain.ledger.statements import AccountBalance, TrialBalance
from payflow.store import rows
from payflow.store.database.read_pool import Query, ReadPool

NOW = """account.id, account.type, account.currency, balance.posted, balance.pending_debits,
           balance.pending_credits, balance.version, balance.recorded_at"""
THEN = """account.id, account.type, account.currency, entry.posted_after AS posted,
           entry.pending_debits_after AS pending_debits, entry.pending_credits_after AS pending_credits,
           entry.account_version AS version, entry.recorded_at"""
JOIN_BALANCE = """
    JOIN balances AS balance ON balance.merchant_id = account.merchant_id AND balance.account_id = account.id
"""
# recorded_at never falls as account_version rises: the last entry recorded by then is the balance then,
# one descent of entries_by_time.
JOIN_LAST_ENTRY = """
    LEFT JOIN LATERAL (
        SELECT *
        FROM entries
        WHERE merchant_id = account.merchant_id AND account_id = account.id AND recorded_at <= %s
        ORDER BY recorded_at DESC, account_version DESC
        LIMIT 1
    ) AS entry ON true
"""

ONE = "WHERE account.merchant_id = %s AND account.id = %s"
BALANCE = f"SELECT {NOW} FROM accounts AS account {JOIN_BALANCE} {ONE}"
BALANCE_AS_OF = f"SELECT {THEN} FROM accounts AS account {JOIN_LAST_ENTRY} {ONE}"

ASKED = """
    FROM unnest(%s::text[]) WITH ORDINALITY AS asked (account_id, place)
    JOIN accounts AS account ON account.merchant_id = %s AND account.id = asked.account_id
"""
BALANCES = f"SELECT {NOW} {ASKED} {JOIN_BALANCE} ORDER BY asked.place"
BALANCES_AS_OF = f"SELECT {THEN} {ASKED} {JOIN_LAST_ENTRY} ORDER BY asked.place"

PAGE = "WHERE account.merchant_id = %s AND account.id > %s ORDER BY account.id LIMIT %s"
TRIAL_BALANCE = f"SELECT {NOW} FROM accounts AS account {JOIN_BALANCE} {PAGE}"
TRIAL_BALANCE_AS_OF = f"SELECT {THEN} FROM accounts AS account {JOIN_LAST_ENTRY} {PAGE}"

# numeric sums, which do not overflow.
TOTALS = """
    SELECT currency, sum(posted) FILTER (WHERE posted > 0) AS debits,
           -sum(posted) FILTER (WHERE posted < 0) AS credits
    FROM balances
    WHERE merchant_id = %s
    GROUP BY currency
    ORDER BY currency
"""
TOTALS_AS_OF = f"""
    SELECT account.currency, sum(entry.posted_after) FILTER (WHERE entry.posted_after > 0) AS debits,
           -sum(entry.posted_after) FILTER (WHERE entry.posted_after < 0) AS credits
    FROM accounts AS account {JOIN_LAST_ENTRY}
    WHERE account.merchant_id = %s
    GROUP BY account.currency
    ORDER BY account.currency
"""


class BalancesReader:
    """What callers see of balances. Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def balance(
        self, merchant_id: str, account_id: str, as_of: datetime | None, deadline: float
    ) -> AccountBalance | None:
        """An account's balance, as of a recorded instant where one is given."""
        if as_of is None:
            row = self._pool.one(BALANCE, (merchant_id, account_id), deadline)
        else:
            row = self._pool.one(BALANCE_AS_OF, (as_of, merchant_id, account_id), deadline)
        return _account_balance(row, as_of) if row else None

    def balances(
        self, merchant_id: str, account_ids: Sequence[str], as_of: datetime | None, deadline: float
    ) -> list[AccountBalance]:
        """The accounts' balances in their order, without those that are not there."""
        asked = (list(account_ids), merchant_id)
        if as_of is None:
            found = self._pool.all(BALANCES, asked, deadline)
        else:
            found = self._pool.all(BALANCES_AS_OF, (*asked, as_of), deadline)
        return [_account_balance(row, as_of) for row in found]

    def trial_balance(
        self, merchant_id: str, as_of: datetime | None, after: str, limit: int, deadline: float
    ) -> TrialBalance:
        """Balances by id, behind the account ``after``, and the totals of all. Raises LIMIT_REACHED."""
        page = (merchant_id, after, limit)
        queries: list[Query]
        if as_of is None:
            queries = [(TRIAL_BALANCE, page), (TOTALS, (merchant_id,))]
        else:
            queries = [(TRIAL_BALANCE_AS_OF, (as_of, *page)), (TOTALS_AS_OF, (as_of, merchant_id))]
        balances, totals = self._pool.snapshot(queries, deadline)
        return TrialBalance(
            [_account_balance(row, as_of) for row in balances],
            [
                statements.total(row["currency"], int(row["debits"] or 0), int(row["credits"] or 0))
                for row in totals
            ],
        )


def _account_balance(row: rows.Row, as_of: datetime | None) -> AccountBalance:
    """A row with the columns of NOW or THEN; nothing was there before the first entry."""
    balance = Balance(
        row["posted"] or 0,
        row["pending_debits"] or 0,
        row["pending_credits"] or 0,
        row["version"] or 0,
        row["recorded_at"],
    )
    return AccountBalance(
        row["id"], AccountType(row["type"]), row["currency"], balance, as_of or balance.recorded_at
    )
