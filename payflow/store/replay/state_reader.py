"""Events of whole aggregates, and how what is stored of these differs from what the events make of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from payflow.domain.folding.working_set import MerchantScoped
from payflow.domain.stored_event import StoredEvent
from payflow.store import rows
from payflow.store.database.read_pool import Ask
from payflow.store.database.statement import columns
from payflow.store.replay.fresh_tables import KEYS, Difference

# By which column a table's rows belong to something that has events.
OWNERS = {
    "merchants": "merchant_id",
    "psp_accounts": "merchant_id",
    "routing_rules": "merchant_id",
    "routing_experiments": "merchant_id",
    "payment_intents": "id",
    "refunds": "payment_intent_id",
    "psp_attempts": "payment_intent_id",
    "transactions": "id",
    "entries": "transaction_id",
    "accounts": "id",
}

_EVENTS = """
    SELECT merchant_id, aggregate_id, aggregate_version, type, schema_version, payload, occurred_at, actor,
           correlation_id, causation_id, traceparent
    FROM events
"""

EVENTS = f"""
    {_EVENTS}
    WHERE (merchant_id, aggregate_id) > (%s, %s)
    ORDER BY merchant_id, aggregate_id, aggregate_version
    LIMIT %s
"""

EVENTS_OF = f"""
    {_EVENTS}
    WHERE merchant_id = %s AND aggregate_id = %s
    ORDER BY aggregate_version
    LIMIT %s
"""

# Only the columns that this release knows: the next one's schema may have more. Byte by byte, as a replay
# does: the function is that of the operator *<>, which is not there for rows that are spelt out.
DIFFERENCES = """
    SELECT to_jsonb(stored) AS stored, to_jsonb(fresh) AS fresh
    FROM (
        SELECT item.*
        FROM unnest(%s::text[], %s::text[]) AS wanted (merchant_id, owner)
        JOIN {table} AS item ON item.merchant_id = wanted.merchant_id AND item.{owner} = wanted.owner
    ) AS stored
    FULL JOIN json_populate_recordset(NULL::{table}, %s) AS fresh USING ({key})
    WHERE stored.merchant_id IS NULL OR fresh.merchant_id IS NULL
       OR record_image_ne(ROW({stored_columns}), ROW({fresh_columns}))
    ORDER BY {key}
    LIMIT %s
"""

DIFFERENCES_MAX = 100

Rows = dict[str, Any]


def events_behind(ask: Ask, aggregate: MerchantScoped, limit: int) -> list[StoredEvent]:
    """The first events behind an aggregate, by merchant and aggregate; the last aggregate may be cut off."""
    return [StoredEvent(**row) for row in ask(EVENTS, (*aggregate, limit))]


def events_of(ask: Ask, aggregate: MerchantScoped, limit: int) -> list[StoredEvent]:
    """The first events of an aggregate."""
    return [StoredEvent(**row) for row in ask(EVENTS_OF, (*aggregate, limit))]


def differences(
    ask: Ask, owners: Mapping[str, Iterable[MerchantScoped]], rebuilt: Iterable[tuple[str, Rows]]
) -> list[Difference]:
    """Rows of ``owners``, by table, that are not as ``rebuilt``, at most DIFFERENCES_MAX a table."""
    fresh: defaultdict[str, list[Rows]] = defaultdict(list)
    for table, row in rebuilt:
        fresh[table].append(row)
    return [
        difference
        for table, owner in OWNERS.items()
        for difference in _of_table(
            ask, table, _owned(owners.get(table, ()), fresh[table], owner), fresh[table]
        )
    ]


def _owned(wanted: Iterable[MerchantScoped], fresh: Sequence[Rows], owner: str) -> list[MerchantScoped]:
    return sorted({*wanted, *((row["merchant_id"], row[owner]) for row in fresh)})


def _of_table(
    ask: Ask, table: str, owners: Sequence[MerchantScoped], fresh: Sequence[Rows]
) -> Iterable[Difference]:
    if not owners:
        return
    key = KEYS[table]
    known = fresh[0] if fresh else key
    query = DIFFERENCES.format(
        table=table,
        owner=OWNERS[table],
        key=", ".join(key),
        stored_columns=", ".join(f"stored.{name}" for name in known),
        fresh_columns=", ".join(f"fresh.{name}" for name in known),
    )
    for row in ask(query, (*columns(owners), rows.to_json(fresh), DIFFERENCES_MAX), plan_anew=True):
        yield Difference(table, row["stored"], row["fresh"])
