"""Reads ledger accounts: one, and lists by id."""

from __future__ import annotations

from typing import Any

from psycopg.types.json import Jsonb

from payflow.domain.ledger.statements import AccountFilter
from payflow.domain.resources import AccountView
from payflow.store import ledger_rows, rows
from payflow.store.database.read_pool import ReadPool

COLUMNS = """
    SELECT account.merchant_id, account.id, account.type, account.currency, account.allow_negative,
           account.created_at, texts.body, texts.metadata
"""
ALL_ACCOUNTS = f"""{COLUMNS}
    FROM accounts AS account
    LEFT JOIN texts ON texts.merchant_id = account.merchant_id AND texts.owner_id = 'account:' || account.id
    WHERE account.merchant_id = %s
"""
ACCOUNT = f"{ALL_ACCOUNTS} AND account.id = %s"
ACCOUNTS = f"{ALL_ACCOUNTS} AND account.id > %s"

# Goes by the texts, whose order is that of the ids: few that match come from texts_ledger_metadata, many from
# a walk along the primary key. Which it is depends on the metadata, so it is planned anew for each.
ACCOUNTS_BY_METADATA = f"""{COLUMNS}
    FROM texts
    JOIN accounts AS account
        ON account.merchant_id = texts.merchant_id AND account.id = substr(texts.owner_id, 9)
    WHERE texts.merchant_id = %s AND texts.owner_id > 'account:' || %s
      AND texts.owner_id >= 'account:' AND texts.owner_id < 'account;' AND texts.metadata @> %s
"""
OF_TYPE = " AND account.type = %s"
OF_CURRENCY = " AND account.currency = %s"
BY_ID = " ORDER BY account.id LIMIT %s"
BY_OWNER = " ORDER BY texts.owner_id LIMIT %s"


class AccountsReader:
    """What callers see of accounts. Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def account(self, merchant_id: str, account_id: str, deadline: float) -> AccountView | None:
        """One account."""
        row = self._pool.one(ACCOUNT, (merchant_id, account_id), deadline)
        return account_view(row) if row else None

    def accounts(
        self, merchant_id: str, wanted: AccountFilter, after: str, limit: int, deadline: float
    ) -> list[AccountView]:
        """Accounts that match, by id, behind the one with id ``after``."""
        query = ACCOUNTS
        parameters: list[Any] = [merchant_id, after]
        if wanted.metadata:
            query = ACCOUNTS_BY_METADATA
            parameters.append(Jsonb(wanted.metadata))
        for condition, value in ((OF_TYPE, wanted.type), (OF_CURRENCY, wanted.currency)):
            if value:
                query += condition
                parameters.append(value)
        query += BY_OWNER if wanted.metadata else BY_ID
        found = self._pool.all(query, [*parameters, limit], deadline, plan_anew=bool(wanted.metadata))
        return [account_view(row) for row in found]


def account_view(row: rows.Row) -> AccountView:
    """A row of ACCOUNT."""
    return AccountView(row["merchant_id"], ledger_rows.account(row), rows.texts_of(row), row["created_at"])
