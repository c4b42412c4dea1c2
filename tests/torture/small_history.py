"""A history by hand: small, and right in every respect. What is wrong with it is what a test makes wrong."""

from __future__ import annotations

import psycopg

from tests.torture import tables

# A posting, a hold, 20 of its 30 posted, and the reversal of that. One account may not go below zero.
STORED = """
    INSERT INTO stored_accounts VALUES ('m/cash', 'USD', true, true), ('m/owed', 'USD', false, false);
    INSERT INTO stored_transactions VALUES
        ('t1', 'POSTED', 1, 'm/first', '', '', 2, 1000),
        ('t2', 'RESOLVED', 2, '', '', '', 2, 2000),
        ('t3', 'POSTED', 0, '', 't2', '', 4, 3000),
        ('t4', 'POSTED', 0, '', '', 't3', 2, 4000);
    INSERT INTO stored_entries VALUES
        ('m/cash', 1, 't1', 1, 'POSTED', 100, 'USD', false, 100, 0, 0, 1000),
        ('m/owed', 1, 't1', 2, 'POSTED', -100, 'USD', false, -100, 0, 0, 1000),
        ('m/owed', 2, 't2', 1, 'PENDING', 30, 'USD', false, -100, 30, 0, 2000),
        ('m/cash', 2, 't2', 2, 'PENDING', -30, 'USD', false, 100, 0, 30, 2000),
        ('m/owed', 3, 't3', 1, 'POSTED', 20, 'USD', false, -80, 30, 0, 3000),
        ('m/cash', 3, 't3', 2, 'POSTED', -20, 'USD', false, 80, 0, 30, 3000),
        ('m/owed', 4, 't3', 3, 'PENDING', -30, 'USD', true, -80, 0, 0, 3000),
        ('m/cash', 4, 't3', 4, 'PENDING', 30, 'USD', true, 80, 0, 0, 3000),
        ('m/owed', 5, 't4', 1, 'POSTED', -20, 'USD', false, -100, 0, 0, 4000),
        ('m/cash', 5, 't4', 2, 'POSTED', 20, 'USD', false, 100, 0, 0, 4000);
    INSERT INTO stored_balances VALUES ('m/cash', 100, 0, 0, 5), ('m/owed', -100, 0, 0, 5);
"""

# Nodes 1 to 4 are those transactions, each asked for in a second of its own; then come refusals and reads.
SEEN = """
    INSERT INTO calls
    SELECT n, 'PostTransaction', 'm/key' || n, n, n + 0.5, '', ('asked' || n)::bytea, ('answer' || n)::bytea
    FROM generate_series(1, 4) AS n;
    INSERT INTO calls VALUES
        (10, 'PostTransaction', 'm/key1', 10, 10.5, 'IDEMPOTENCY_KEY_REUSED', 'other', ''),
        (11, 'PostTransaction', 'm/key1', 11, 11.5, '', 'asked1', 'answer1');
    INSERT INTO asks VALUES
        (1, 1, 0, 'post', 1, 'm/first', '', NULL, 1, 1.5, '', '', NULL),
        (2, 2, 0, 'hold', 2, '', '', NULL, 2, 2.5, '', '', NULL),
        (3, 3, 0, 'settle', 0, '', 't2', 20, 3, 3.5, '', '', NULL),
        (4, 4, 0, 'reverse', 0, '', 't3', NULL, 4, 4.5, '', '', NULL),
        (5, 5, 0, 'post', 5, '', '', NULL, 5, 5.5, 'INSUFFICIENT_BALANCE', 'm/owed', -400),
        (6, 6, 0, 'post', 6, '', '', NULL, 6, 6.5, 'CONCURRENT_UPDATE', 'm/cash', 5),
        (7, 7, 0, 'post', 7, 'm/first', '', NULL, 7, 7.5, 'TRANSACTION_EXISTS', 't1', NULL),
        (8, 8, 0, 'void', 0, '', 't2', NULL, 8, 8.5, 'INVALID_STATE_TRANSITION', '', NULL),
        (9, 9, 0, 'post', 9, '', '', NULL, 9, 9.5, 'UNBALANCED_TRANSACTION', '', NULL);
    INSERT INTO asked_entries VALUES
        (1, 1, 'm/cash', 100, 'USD'), (1, 2, 'm/owed', -100, 'USD'),
        (2, 1, 'm/owed', 30, 'USD'), (2, 2, 'm/cash', -30, 'USD'),
        (5, 1, 'm/owed', 500, 'USD'), (5, 2, 'm/cash', -500, 'USD'),
        (6, 1, 'm/owed', 1, 'USD'), (6, 2, 'm/cash', -1, 'USD'),
        (7, 1, 'm/owed', 1, 'USD'), (7, 2, 'm/cash', -1, 'USD'),
        (9, 1, 'm/owed', 2, 'USD'), (9, 2, 'm/cash', -1, 'USD');
    INSERT INTO expected_versions VALUES (2, 'm/cash', 1), (6, 'm/cash', 1);
    INSERT INTO acknowledged
    SELECT substr(id, 2)::bigint, id, replace(status, 'RESOLVED', 'PENDING'), mark, reference, resolves,
           reverses, recorded_us
    FROM stored_transactions;
    INSERT INTO reads VALUES
        (21, 21, 'GetBalance', 2.6, 2.9, ''), (22, 22, 'GetBalance', 12, 12.5, ''),
        (23, 23, 'ListEntries', 13, 13.5, ''), (24, 24, 'GetTransaction', 14, 14.5, ''),
        (25, 25, 'GetTrialBalance', 15, 15.5, '');
    INSERT INTO seen_balances VALUES
        (21, 'm/owed', 'USD', NULL, 2, -100, 30, 0, 70, 2000),
        (22, 'm/owed', 'USD', 1500, 1, -100, 0, 0, 100, 1500);
    INSERT INTO seen_heads VALUES (23, 'm/cash', 5);
    INSERT INTO seen_transactions VALUES (24, 't2', 'RESOLVED', 't3', '');
    INSERT INTO seen_totals VALUES (25, 'USD', 100, 100, 0);
    INSERT INTO seen_entries
    SELECT node, transaction_id, position, account, layer, amount, currency, releases, version, posted,
           debits, credits, CASE layer WHEN 'POSTED' THEN posted ELSE debits - credits END,
           CASE account WHEN 'm/cash' THEN posted - credits ELSE -posted - debits END, recorded_us
    FROM (
        SELECT substr(transaction_id, 2)::bigint AS node, * FROM stored_entries
        UNION ALL SELECT 23, * FROM stored_entries WHERE account = 'm/cash' AND version > 3
        UNION ALL SELECT 24, * FROM stored_entries WHERE transaction_id = 't2'
    ) AS seen;
"""


def write(connection: psycopg.Connection) -> None:
    """Makes the tables and fills them; ``connection`` is the owner's."""
    tables.create(connection, stored_by_hand=True)
    connection.execute(STORED)
    connection.execute(SEEN)
