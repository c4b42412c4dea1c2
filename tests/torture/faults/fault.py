"""What a deliberate fault is: something in the service that is replaced by something wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pkgutil import resolve_name
from typing import Any, LiteralString
from unittest.mock import patch

Patches = Sequence[AbstractContextManager[Any]]

# Moves balances along with entries, whatever they are.
BELIEVE_EVERYTHING: LiteralString = """
    ALTER TABLE entries DISABLE TRIGGER USER;
    CREATE FUNCTION believe_everything() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        UPDATE balances AS b
        SET posted = last.posted_after, pending_debits = last.pending_debits_after,
            pending_credits = last.pending_credits_after, version = last.account_version,
            recorded_at = last.recorded_at
        FROM (
            SELECT DISTINCT ON (merchant_id, account_id) * FROM booked
            ORDER BY merchant_id, account_id, account_version DESC
        ) AS last
        WHERE b.merchant_id = last.merchant_id AND b.account_id = last.account_id;
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER believe_everything AFTER INSERT ON entries
        REFERENCING NEW TABLE AS booked FOR EACH STATEMENT EXECUTE FUNCTION believe_everything();
"""

# What PostgreSQL refuses by itself, so that a fault of the application comes as far as the books.
TAKE_GUARDS_AWAY: LiteralString = (
    BELIEVE_EVERYTHING
    + """
    ALTER TABLE transactions DISABLE TRIGGER USER;
    ALTER TABLE events DISABLE TRIGGER USER;
    DO $$
    DECLARE found record;
    BEGIN
        FOR found IN
            SELECT conrelid::regclass AS name, conname FROM pg_constraint
            WHERE contype = 'c' AND conrelid IN ('entries'::regclass, 'balances'::regclass,
                                                 'transactions'::regclass)
        LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.name, found.conname);
        END LOOP;
    END
    $$;
    ALTER TABLE entries DROP CONSTRAINT entries_pkey;
    CREATE INDEX ON entries (merchant_id, account_id, account_version);
    ALTER TABLE events DROP CONSTRAINT events_pkey;
    DROP INDEX transactions_reference, transactions_resolves, transactions_reverses;
    CREATE INDEX ON transactions (merchant_id, reference);
    CREATE INDEX ON transactions (merchant_id, resolves_transaction_id);
    CREATE INDEX ON transactions (merchant_id, reverses_transaction_id);
"""
)


@dataclass(frozen=True, slots=True)
class Fault:
    """``says`` what goes wrong. ``sql`` is run as the owner before; ``patches`` are on under load."""

    name: str
    says: str
    patches: Callable[[], Patches]
    sql: LiteralString = ""

    @contextmanager
    def active(self) -> Iterator[None]:
        """The service is wrong inside."""
        with ExitStack() as stack:
            for one in self.patches():
                stack.enter_context(one)
            yield


def fault(
    found: list[Fault], says: str, sql: LiteralString = ""
) -> Callable[[Callable[[], Patches]], Callable[[], Patches]]:
    """Adds a function that makes patches to a list of faults, under its own name."""

    def add(patches: Callable[[], Patches]) -> Callable[[], Patches]:
        found.append(Fault(patches.__name__, says, patches, sql))
        return patches

    return add


def replaced(target: str, make: Callable[[Any], Any]) -> AbstractContextManager[Any]:
    """Puts what ``make`` makes of it in the place of a function, a method or a constant."""
    return patch(target, make(resolve_name(target)))


def every(number: int) -> Callable[[], bool]:
    """Says yes every so many times, the first time not; any thread may ask."""
    times = count(1)
    return lambda: next(times) % number == 0
