"""A database with a history: a busy merchant that has half of everything, and a hundred others."""

from __future__ import annotations

import psycopg

from payflow.domain.ids import bucket_of
from tests.databases import Database

BUSY = "busy"
MERCHANTS = [BUSY, *(f"small-{number}" for number in range(100))]
INTENTS = 60_000

# Every second intent is the busy merchant's; the rest go round.
OWNERS = """
    CREATE TEMPORARY TABLE made AS
    SELECT n, 'pi_' || lpad(n::text, 9, '0') AS id, merchant.merchant_id, merchant.bucket,
           timestamptz '2026-01-01 00:00:00+00' + n * interval '1 second' AS at
    FROM generate_series(1, %(intents)s) AS n
    JOIN unnest(%(merchants)s::text[], %(buckets)s::int[]) WITH ORDINALITY
        AS merchant (merchant_id, bucket, number)
        ON merchant.number = CASE WHEN n %% 2 = 0 THEN 1 ELSE 2 + n / 2 %% 100 END
"""

# One intent in a hundred is authorized, and in two hundred has an attempt that is not over.
INSERTS = (
    """
    INSERT INTO merchants
    SELECT merchant_id, bucket, number, '', 'TEST', 1, '2026-01-01', '2026-01-01'
    FROM unnest(%(merchants)s::text[], %(buckets)s::int[]) WITH ORDINALITY AS m (merchant_id, bucket, number)
    """,
    """
    INSERT INTO psp_accounts
    SELECT merchant_id, 'simulator', 'simulator', 'TEST', 300, 0, '', 100, true, 1, '2026-01-01', '2026-01-01'
    FROM unnest(%(merchants)s::text[]) AS m (merchant_id)
    """,
    """
    INSERT INTO payment_intents
    SELECT merchant_id, id, bucket, 5, CASE WHEN n %% 100 < 2 THEN 'AUTHORIZED' ELSE 'CAPTURED' END,
           1000, 'USD', 'MANUAL', 'pm_card_visa', NULL, 1000, CASE WHEN n %% 100 < 2 THEN 0 ELSE 1000 END,
           30, 0, 0, 'simulator', 'simulator', 'psp_' || n, NULL, NULL, NULL,
           CASE WHEN n %% 100 < 2 THEN 'txn_' || n ELSE '' END, 'txn_' || n, 2, at, at, at,
           at + interval '365 days', at, NULL
    FROM made
    """,
    """
    INSERT INTO psp_attempts
    SELECT merchant_id, id, 'att_' || n, bucket, 'AUTHORIZE', 1000, 'USD', 'simulator', 'simulator',
           id || '-1', 'pm_card_visa', '', false, '', '',
           CASE WHEN n %% 200 < 2 THEN 'UNKNOWN' ELSE 'SUCCEEDED' END, 1, 0, at + interval '365 days', at, at
    FROM made
    """,
    """
    INSERT INTO refunds
    SELECT merchant_id, 're_' || lpad(n::text, 9, '0'), id, 100, 'USD', 'REFUNDED', 'psp', NULL, 'txn_r' || n,
           'txn_r' || n, at, at
    FROM made WHERE n %% 10 IN (2, 5)
    """,
    """
    INSERT INTO texts SELECT merchant_id, id, 'a description', '{"order": "7"}' FROM made
    """,
    """
    INSERT INTO events
    SELECT merchant_id, id, version, bucket, 'payment_intent.created', 1, '\\x0102030405060708', at, 'caller',
           'correlation', 'command-' || n || '-' || version / 2, version %% 2, ''
    FROM made, generate_series(2, 3) AS version
    """,
    """
    INSERT INTO accounts
    SELECT merchant_id, 'account-' || a, 'ASSET', 'USD', true, '2026-01-01'
    FROM unnest(%(merchants)s::text[]) AS m (merchant_id), generate_series(1, 100) AS a
    """,
    """
    INSERT INTO accounts
    SELECT merchant_id, 'sys:' || role || ':simulator:USD', type, 'USD', true, '2026-01-01'
    FROM unnest(%(merchants)s::text[]) AS m (merchant_id),
         (VALUES ('psp_clearing', 'ASSET'), ('merchant_payable', 'LIABILITY'), ('platform_fees', 'REVENUE'))
             AS chart (role, type)
    """,
    """
    INSERT INTO transactions
    SELECT merchant_id, 'txn_' || n, bucket, 'POSTED', 2, NULL, NULL, NULL, NULL, NULL, at FROM made
    """,
    """
    INSERT INTO entries
    SELECT merchant_id, 'sys:' || role || ':simulator:USD',
           row_number() OVER (PARTITION BY merchant_id, role ORDER BY n), 'txn_' || n, position, 'POSTED',
           amount, 'USD', false, sum(amount) OVER (PARTITION BY merchant_id, role ORDER BY n), 0, 0, at
    FROM made,
         (VALUES ('psp_clearing', 1, 1000), ('merchant_payable', 2, -1000)) AS line (role, position, amount)
    """,
    """
    INSERT INTO balances
    SELECT a.merchant_id, a.id, 'USD', a.type = 'ASSET', true, coalesce(last.posted_after, 0), 0, 0,
           coalesce(last.account_version, 0), last.recorded_at
    FROM accounts AS a
    LEFT JOIN (SELECT DISTINCT ON (merchant_id, account_id) * FROM entries
               ORDER BY merchant_id, account_id, account_version DESC) AS last
        ON last.merchant_id = a.merchant_id AND last.account_id = a.id
    """,
    """
    INSERT INTO idempotency_keys
    SELECT merchant_id, 'key-' || n, bucket, sha256('request'), 'command-' || n, '', '\\x01', at,
           at + interval '365 days'
    FROM made
    """,
)


def fill(database: Database) -> None:
    """Inserts everything with triggers off, as fast as it goes, and gathers statistics."""
    parameters = {
        "intents": INTENTS,
        "merchants": MERCHANTS,
        "buckets": [bucket_of(merchant_id) for merchant_id in MERCHANTS],
    }
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        connection.execute(OWNERS, parameters)
        for statement in INSERTS:
            connection.execute(statement.encode(), parameters)
        connection.execute("ANALYZE")
