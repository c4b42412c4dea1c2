"""Reads balances, now or as of an instant, and the trial balance."""

from __future__ import annotations

from datetime import datetime

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.ledger.account import AccountType, Balance
from payflow.domain.ledger.statements import AccountBalance, CurrencyTotal, TrialBalance
from payflow.store import rows
from payflow.store.read_pool import ReadPool

BALANCE = """
    SELECT account.id, account.type, account.currency, balance.posted, balance.pending_debits,
           balance.pending_credits, balance.version, balance.recorded_at
    FROM accounts AS account
    JOIN balances AS balance ON balance.merchant_id = account.merchant_id AND balance.account_id = account.id
    WHERE account.merchant_id = %s AND account.id = %s
"""

# recorded_at never falls as account_version rises: the last entry recorded by then is the balance then,
# one descent of entries_by_time.
BALANCE_AS_OF = """
    SELECT account.id, account.type, account.currency, entry.posted_after AS posted,
           entry.pending_debits_after AS pending_debits, entry.pending_credits_after AS pending_credits,
           entry.account_version AS version, entry.recorded_at
    FROM accounts AS account
    LEFT JOIN LATERAL (
        SELECT *
        FROM entries
        WHERE merchant_id = account.merchant_id AND account_id = account.id AND recorded_at <= %s
        ORDER BY recorded_at DESC, account_version DESC
        LIMIT 1
    ) AS entry ON true
    WHERE account.merchant_id = %s AND account.id = %s
"""

BALANCES = """
    SELECT account.id, account.type, account.currency, balance.posted, balance.pending_debits,
           balance.pending_credits, balance.version, balance.recorded_at
    FROM accounts AS account
    JOIN balances AS balance ON balance.merchant_id = account.merchant_id AND balance.account_id = account.id
    WHERE account.merchant_id = %s
    ORDER BY account.id
    LIMIT %s
"""

TOTALS = """
    SELECT currency, sum(posted) FILTER (WHERE posted > 0) AS debits,
           -sum(posted) FILTER (WHERE posted < 0) AS credits
    FROM balances
    WHERE merchant_id = %s
    GROUP BY currency
    ORDER BY currency
"""

TRIAL_BALANCE_ACCOUNTS_MAX = 5_000


class LedgerReader:
    """What callers see of the ledger. Deadlines are in seconds of time.monotonic."""

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

    def trial_balance(self, merchant_id: str, deadline: float) -> TrialBalance:
        """Every balance and the totals, from one snapshot. Raises LIMIT_REACHED for too large a book."""
        balances, totals = self._pool.snapshot(
            [(BALANCES, (merchant_id, TRIAL_BALANCE_ACCOUNTS_MAX + 1)), (TOTALS, (merchant_id,))], deadline
        )
        if len(balances) > TRIAL_BALANCE_ACCOUNTS_MAX:
            raise PayFlowError(
                Reason.LIMIT_REACHED, f"the book has more than {TRIAL_BALANCE_ACCOUNTS_MAX} accounts"
            )
        return TrialBalance(
            [_account_balance(row, None) for row in balances],
            [
                CurrencyTotal(row["currency"], int(row["debits"] or 0), int(row["credits"] or 0))
                for row in totals
            ],
        )


def _account_balance(row: rows.Row, as_of: datetime | None) -> AccountBalance:
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
