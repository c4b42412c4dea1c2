"""Faults of the database: what a careless owner may do to it."""

from __future__ import annotations

from tests.torture.faults.fault import BELIEVE_EVERYTHING, Fault

OFF_BY_ONE = BELIEVE_EVERYTHING.replace(
    "posted = last.posted_after", "posted = last.posted_after + (last.account_version % 5 = 0)::integer"
)

TRIGGERS_OFF = """
    ALTER TABLE entries DISABLE TRIGGER USER;
    ALTER TABLE entries DROP CONSTRAINT entries_pkey;
    CREATE INDEX ON entries (merchant_id, account_id, account_version)
"""

CHANGED_LATER = """
    ALTER TABLE entries DISABLE TRIGGER entries_append_only;
    CREATE FUNCTION move_a_unit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = public, pg_temp AS $$
    BEGIN
        UPDATE entries SET amount = amount + sign(amount) WHERE account_version = 3 AND position <= 2;
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER move_a_unit AFTER INSERT ON transactions FOR EACH STATEMENT EXECUTE FUNCTION move_a_unit()
"""

DATABASE = [
    Fault("balances_off_by_one", "the trigger moves a balance by one unit too much", tuple, OFF_BY_ONE),
    Fault(
        "triggers_off", "the triggers on entries are off: balances stay where they are", tuple, TRIGGERS_OFF
    ),
    Fault("entries_changed_later", "entries are changed after they were booked", tuple, CHANGED_LATER),
]
