"""History that is there: the application has no right to touch it, and triggers stop the owner."""

from __future__ import annotations

from tests.ledger_attempts import (
    NEVER_CHANGED,
    NO_RIGHT,
    NOT_A_HOLD_TAKEN_BACK,
    Attempt,
    Books,
    named,
    plain,
    refuse,
)

# What the owner is stopped from by a trigger, and the application by its rights already.
CHANGES_OF_HISTORY = tuple(
    Attempt(statement, NEVER_CHANGED, plain(statement))
    for statement in (
        "UPDATE entries SET amount = amount",
        "DELETE FROM entries",
        "TRUNCATE entries",
        "INSERT INTO entries SELECT * FROM entries ON CONFLICT (merchant_id, account_id, account_version)"
        " DO UPDATE SET amount = 1",
        "MERGE INTO entries USING (VALUES (1)) AS one (n) ON true WHEN MATCHED THEN DELETE",
        "WITH gone AS (DELETE FROM entries RETURNING *) SELECT count(*) FROM gone",
        "UPDATE events SET actor = 'somebody else'",
        "DELETE FROM events",
        "TRUNCATE events",
        "DELETE FROM transactions",
        "TRUNCATE transactions",
        "TRUNCATE accounts, balances, transactions, entries CASCADE",
        "UPDATE accounts SET allow_negative = true",
        "DELETE FROM accounts",
        "TRUNCATE accounts",
        "UPDATE transactions SET recorded_at = now() WHERE id = 'posted'",
        "UPDATE transactions SET bucket = 7 WHERE id = 'posted'",
        "UPDATE transactions SET expires_at = now() WHERE id = 'hold'",
        "UPDATE transactions SET status = 'RESOLVED', reference = 'mine' WHERE id = 'hold'",
        "UPDATE transactions SET status = 'RESOLVED', bucket = 7 WHERE id = 'hold'",
        "UPDATE transactions SET status = 'RESOLVED', expires_at = now() WHERE id = 'hold'",
    )
)

# The one column that the application may update, and only from PENDING to RESOLVED.
WRONG_RESOLUTIONS = (
    Attempt(
        "resolving what is posted",
        NEVER_CHANGED,
        plain("UPDATE transactions SET status = 'RESOLVED' WHERE id = 'posted'"),
    ),
    Attempt(
        "posting a hold in place",
        NEVER_CHANGED,
        plain("UPDATE transactions SET status = 'POSTED' WHERE id = 'hold'"),
    ),
    Attempt(
        "resolving a hold by nothing",
        NOT_A_HOLD_TAKEN_BACK,
        plain("UPDATE transactions SET status = 'RESOLVED' WHERE id = 'hold'"),
    ),
)

BEYOND_ITS_RIGHTS = tuple(
    Attempt(statement, NO_RIGHT, plain(statement))
    for statement in (
        *(attempt.name for attempt in CHANGES_OF_HISTORY),
        "UPDATE balances SET posted = posted + 1",
        "DELETE FROM balances",
        "TRUNCATE balances",
        "SELECT * FROM balances FOR UPDATE",
        "INSERT INTO balances VALUES ('books', 'new', 'USD', true, true)",
        "INSERT INTO balances SELECT * FROM balances ON CONFLICT (merchant_id, account_id)"
        " DO UPDATE SET posted = 0",
        "COPY balances FROM PROGRAM 'true'",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "ALTER TABLE transactions DISABLE TRIGGER transactions_undo_exactly",
        "ALTER TABLE balances DROP CONSTRAINT available_not_negative",
        "ALTER TABLE balances OWNER TO CURRENT_USER",
        "DROP TRIGGER entries_continue ON entries",
        "DROP TABLE entries",
        "DROP INDEX transactions_reverses",
        "CREATE TEMPORARY TABLE mine () INHERITS (entries)",
        "CREATE TRIGGER mine AFTER INSERT ON entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        "CREATE RULE mine AS ON INSERT TO entries DO INSTEAD NOTHING",
        "SET session_replication_role = replica",
        "SELECT set_config('session_replication_role', 'replica', true)",
        "CREATE TABLE public.mine (id integer)",
        "CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION apply_entries() RETURNS trigger LANGUAGE internal AS 'now'",
        "ALTER FUNCTION apply_entries() SECURITY INVOKER",
        "CREATE SCHEMA mine",
        "SELECT open_balances()",
        "SELECT apply_entries()",
        "SELECT require_whole_transactions()",
        "UPDATE schema_migrations SET version = 1",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "ALTER ROLE CURRENT_USER SUPERUSER",
    )
)


@named(WRONG_RESOLUTIONS + BEYOND_ITS_RIGHTS)
def test_the_application_cannot(books: Books, attempt: Attempt) -> None:
    refuse(books, books.application, attempt)


@named(WRONG_RESOLUTIONS + CHANGES_OF_HISTORY)
def test_not_even_the_owner_can(books: Books, attempt: Attempt) -> None:
    refuse(books, books.owner, attempt)
