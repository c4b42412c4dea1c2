"""Where a history is laid out for checking: what clients saw, and what the database holds.

An account, key or reference is written as `merchant/id`. Times that clients measured are seconds of
CLOCK_MONOTONIC; recorded times are microseconds since 1970. A node is one thing that a client asked for: a
transaction (each of a bulk by itself) or a read.
"""

from __future__ import annotations

import psycopg

SCHEMA = "DROP SCHEMA IF EXISTS torture CASCADE; CREATE SCHEMA torture"
USE = "SET search_path = torture"

OBSERVED = """
    CREATE UNLOGGED TABLE calls (
        call bigint, rpc text, key text, invoked float8, answered float8, reason text,
        asked bytea, answer bytea);
    CREATE UNLOGGED TABLE asks (
        node bigint, call bigint, item integer, kind text, mark bigint, reference text, target text,
        amount bigint, invoked float8, answered float8, reason text, named text, number bigint);
    CREATE UNLOGGED TABLE asked_entries (
        node bigint, position integer, account text, amount bigint, currency text);
    CREATE UNLOGGED TABLE expected_versions (node bigint, account text, version bigint);
    CREATE UNLOGGED TABLE acknowledged (
        node bigint, transaction_id text, status text, mark bigint, reference text, resolves text,
        reverses text, recorded_us bigint);
    CREATE UNLOGGED TABLE seen_entries (
        node bigint, transaction_id text, position integer, account text, layer text, amount bigint,
        currency text, releases boolean, version bigint, posted bigint, debits bigint, credits bigint,
        layer_sum bigint, available bigint, recorded_us bigint);
    CREATE UNLOGGED TABLE reads (
        node bigint, call bigint, rpc text, invoked float8, answered float8, reason text);
    CREATE UNLOGGED TABLE seen_balances (
        node bigint, account text, currency text, as_of_us bigint, version bigint, posted bigint,
        debits bigint, credits bigint, available bigint, stated_us bigint);
    CREATE UNLOGGED TABLE seen_heads (node bigint, account text, version bigint);
    CREATE UNLOGGED TABLE seen_transactions (
        node bigint, transaction_id text, status text, resolved_by text, reversed_by text);
    CREATE UNLOGGED TABLE seen_totals (
        node bigint, currency text, debits bigint, credits bigint, difference bigint);
"""

# The same by hand, for histories that no ledger would have made.
STORED_BY_HAND = """
    CREATE TABLE stored_accounts (account text, currency text, debit_normal boolean, allow_negative boolean);
    CREATE TABLE stored_transactions (
        id text, status text, mark bigint, reference text, resolves text, reverses text,
        entry_count integer, recorded_us bigint);
    CREATE TABLE stored_entries (
        account text, version bigint, transaction_id text, position integer, layer text, amount bigint,
        currency text, releases boolean, posted bigint, debits bigint, credits bigint, recorded_us bigint);
    CREATE TABLE stored_balances (
        account text, posted bigint, debits bigint, credits bigint, version bigint);
"""

STORED = """
    CREATE FUNCTION microseconds(moment timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE
        RETURN coalesce((extract(epoch FROM moment) * 1000000)::bigint, 0);
    CREATE VIEW stored_accounts AS
        SELECT merchant_id || '/' || id AS account, currency, type IN ('ASSET', 'EXPENSE') AS debit_normal,
               allow_negative
        FROM public.accounts;
    CREATE UNLOGGED TABLE stored_transactions AS
        SELECT id, status, microseconds(effective_at) AS mark,
               coalesce(merchant_id || '/' || reference, '') AS reference,
               coalesce(resolves_transaction_id, '') AS resolves,
               coalesce(reverses_transaction_id, '') AS reverses,
               entry_count, microseconds(recorded_at) AS recorded_us
        FROM public.transactions;
    CREATE VIEW stored_entries AS
        SELECT merchant_id || '/' || account_id AS account, account_version AS version, transaction_id,
               position, layer, amount, currency, releases, posted_after AS posted,
               pending_debits_after AS debits, pending_credits_after AS credits,
               microseconds(recorded_at) AS recorded_us
        FROM public.entries;
    CREATE VIEW stored_balances AS
        SELECT merchant_id || '/' || account_id AS account, posted, pending_debits AS debits,
               pending_credits AS credits, version
        FROM public.balances;
"""

# What the checks look for one by one; the rest is joined as a whole.
INDEXES = """
    CREATE INDEX ON stored_transactions (id);
    CREATE INDEX ON stored_transactions (resolves) WHERE resolves <> '';
    CREATE INDEX ON stored_transactions (reverses) WHERE reverses <> '';
    CREATE INDEX ON asked_entries (node);
    ANALYZE
"""

# A key takes effect between its first request and its first answer, however often it is sent: later answers
# repeat what was so then, the refusals in a bulk included.
FIRST_ANSWERS = """
    UPDATE asks SET invoked = first.invoked, answered = first.answered
    FROM (
        SELECT call, min(invoked) OVER same AS invoked, min(answered) OVER same AS answered,
               count(*) OVER same AS times
        FROM calls WHERE reason = ''
        WINDOW same AS (PARTITION BY key, asked)
    ) AS first
    WHERE first.call = asks.call AND first.times > 1
"""

# A read, and a refusal that tells a fact, saw the book between its request and its answer.
POINTS = """
    CREATE UNLOGGED TABLE points AS
    SELECT row_number() OVER () - 1 AS point, found.*
    FROM (
        SELECT stored.id AS transaction_id, NULL::bigint AS node,
               coalesce(min(asks.invoked), '-infinity') AS invoked,
               coalesce(min(asks.answered), 'infinity') AS answered
        FROM stored_transactions AS stored
        LEFT JOIN acknowledged ON acknowledged.transaction_id = stored.id
        LEFT JOIN asks USING (node)
        GROUP BY stored.id
        UNION ALL
        SELECT NULL, node, invoked, answered FROM reads WHERE reason = ''
        UNION ALL
        SELECT NULL, node, invoked, answered FROM asks
        WHERE reason IN ('CONCURRENT_UPDATE', 'TRANSACTION_EXISTS', 'INVALID_STATE_TRANSITION')
    ) AS found;
    CREATE INDEX ON points (transaction_id) INCLUDE (point);
    CREATE INDEX ON points (node) INCLUDE (point) WHERE node IS NOT NULL;
    ANALYZE points;
"""

# Every account's entries with when they took effect, and when the next transaction on it was answered.
HISTORY = """
    CREATE UNLOGGED TABLE history AS
    SELECT entry.*, account.allow_negative, point.point, point.invoked,
           lead(point.point) OVER following AS next_point,
           lead(point.answered) OVER following AS next_answered,
           CASE WHEN account.debit_normal THEN entry.posted - entry.credits
                ELSE -entry.posted - entry.debits END AS available
    FROM stored_entries AS entry
    JOIN stored_accounts AS account USING (account)
    JOIN points AS point USING (transaction_id)
    WINDOW following AS (PARTITION BY entry.account ORDER BY entry.version);
    CREATE INDEX ON history (account, version);
    CREATE INDEX ON history (account, recorded_us, version);
    CREATE INDEX ON history (transaction_id);
    ANALYZE history;
"""


def create(connection: psycopg.Connection, stored_by_hand: bool = False) -> None:
    """Makes the tables, with what is stored; ``connection`` is the owner's and looks there from now on."""
    connection.execute(SCHEMA)
    connection.execute(USE)
    connection.execute(OBSERVED)
    connection.execute(STORED_BY_HAND if stored_by_hand else STORED)


def derive(connection: psycopg.Connection) -> None:
    """Brings both sides together, once everything is there."""
    connection.execute(INDEXES)
    connection.execute(FIRST_ANSWERS)
    connection.execute(POINTS)
    connection.execute(HISTORY)
