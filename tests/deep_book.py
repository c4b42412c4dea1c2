"""A book with one account that has a long history, and many accounts that have none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg

from payflow.domain.ids import bucket_of
from tests.databases import Database

MERCHANT = "deep"
OTHER = "shallow"
DEEP = "deep"
ACCOUNTS = 20_000
STARTED = datetime(2030, 1, 1, tzinfo=UTC)
# Entries of one instant; one transaction in so many is an open hold, the next one a resolved hold.
AT_ONCE = 3
HOLDS_EVERY = 5_000

STATEMENTS = (
    """
    INSERT INTO accounts
    SELECT %(merchant)s, id, type, 'USD', true, %(started)s
    FROM (VALUES ('deep', 'ASSET'), ('against', 'LIABILITY')) AS one (id, type)
    """,
    # Rare ones among many; every merchant tags its accounts alike.
    """
    INSERT INTO accounts
    SELECT merchant_id, 'wallet-' || lpad(n::text, 6, '0'),
           CASE WHEN n %% 5000 = 0 THEN 'EXPENSE' ELSE 'LIABILITY' END,
           CASE WHEN n %% 5000 = 1 THEN 'JPY' ELSE 'USD' END, false, %(started)s
    FROM generate_series(1, %(accounts)s) AS n, unnest(ARRAY[%(merchant)s, %(other)s]) AS m (merchant_id)
    """,
    """
    INSERT INTO texts
    SELECT merchant_id, 'account:' || id, '', jsonb_build_object('kind', 'wallet', 'owner', right(id, 6))
    FROM accounts WHERE id LIKE 'wallet-%%'
    """,
    """
    INSERT INTO transactions
    SELECT %(merchant)s, 'txn_' || lpad(n::text, 9, '0'), %(bucket)s,
           CASE n %% %(holds_every)s WHEN 1 THEN 'PENDING' WHEN 2 THEN 'RESOLVED' ELSE 'POSTED' END, 2,
           CASE n %% 2 WHEN 0 THEN 'ref-' || n END, NULL, NULL,
           CASE n %% %(holds_every)s WHEN 3 THEN 'txn_' || lpad((n - 1)::text, 9, '0') END, NULL,
           %(started)s + n / %(at_once)s * interval '1 second'
    FROM generate_series(1, %(entries)s) AS n
    """,
    """
    INSERT INTO entries
    SELECT %(merchant)s, account_id, n, 'txn_' || lpad(n::text, 9, '0'), position, 'POSTED', amount, 'USD',
           false, amount * n, 0, 0, %(started)s + n / %(at_once)s * interval '1 second'
    FROM generate_series(1, %(entries)s) AS n,
         (VALUES ('deep', 1, 1), ('against', 2, -1)) AS line (account_id, position, amount)
    """,
    """
    INSERT INTO texts
    SELECT merchant_id, id, 'a sale', jsonb_build_object('channel', 'web', 'order', right(id, 9))
    FROM transactions
    """,
    """
    INSERT INTO balances
    SELECT a.merchant_id, a.id, a.currency, a.type IN ('ASSET', 'EXPENSE'), a.allow_negative,
           coalesce(last.posted_after, 0), 0, 0, coalesce(last.account_version, 0), last.recorded_at
    FROM accounts AS a
    LEFT JOIN entries AS last ON last.merchant_id = a.merchant_id AND last.account_id = a.id
        AND last.account_version = %(entries)s
    """,
    # Every look-up reads what the index still has in its list of pending texts, and ANALYZE leaves it there.
    "SELECT gin_clean_pending_list('texts_ledger_metadata')",
    "ANALYZE",
)


def fill(database: Database, entries: int) -> None:
    """Inserts everything with triggers off, as fast as it goes; entry n of deep has amount 1 and sum n."""
    parameters = {
        "merchant": MERCHANT,
        "other": OTHER,
        "bucket": bucket_of(MERCHANT),
        "accounts": ACCOUNTS,
        "entries": entries,
        "started": STARTED,
        "at_once": AT_ONCE,
        "holds_every": HOLDS_EVERY,
    }
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        for statement in STATEMENTS:
            connection.execute(statement.encode(), parameters)


def recorded_at(entry: int) -> datetime:
    """When the account's ``entry``-th entry was recorded."""
    return STARTED + timedelta(seconds=entry // AT_ONCE)


def last_version_by(at: datetime, entries: int) -> int:
    """How many entries it had by then."""
    seconds = (at - STARTED) // timedelta(seconds=1)
    return max(0, min(entries, (seconds + 1) * AT_ONCE - 1))


def transaction_id(number: int) -> str:
    """The id of the ``number``-th transaction."""
    return f"txn_{number:09}"


def wallet_id(number: int) -> str:
    """The id of one of the accounts without entries."""
    return f"wallet-{number:06}"
