"""Reads ledger accounts: one, and lists by id."""

from __future__ import annotations

_COLUMNS = """
    SELECT account.merchant_id, account.id, account.type, account.currency, account.allow_negative,
           account.created_at, texts.body, texts.metadata
"""
_ACCOUNTS = f"""{_COLUMNS}
    FROM accounts AS account
    LEFT JOIN texts ON texts.merchant_id = account.merchant_id AND texts.owner_id = 'account:' || account.id
    WHERE account.merchant_id = %s"""
# In the order of texts, which is that of ids: few that match come from texts_ledger_metadata, many from a walk.
_ACCOUNTS_BY_METADATA = f"""{_COLUMNS}
    FROM texts
    JOIN accounts AS account ON account.merchant_id = texts.merchant_id AND account.id = substr(texts.owner_id, 9)
    WHERE texts.merchant_id = %s AND texts.owner_id > 'account:' || %s
        AND texts.owner_id >= 'account:' AND texts.owner_id < 'account;' AND texts.metadata @> %s"""
_OF_TYPE = " AND account.type = %s"
_OF_CURRENCY = " AND account.currency = %s"

ACCOUNT = f"{_ACCOUNTS} AND account.id = %s"
ACCOUNTS = tuple(
    f"{_ACCOUNTS} AND account.id > %s{of_type}{of_currency} ORDER BY account.id LIMIT %s"
    for of_type in ("", _OF_TYPE)
    for of_currency in ("", _OF_CURRENCY)
)
