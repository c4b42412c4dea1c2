"""The inbox of consumers: the last event of each aggregate that took effect.

It is read and written in the transaction that has the effect, so an event takes effect once however often it
is delivered. That needs SERIALIZABLE: two that apply the same event at the same time read the same row, and
the second one to write it has to begin again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from payflow.domain.folding.working_set import MerchantScoped
from payflow.store.database.statement import DictConnection, columns, unique

APPLIED = """
    SELECT inbox.merchant_id, inbox.aggregate_id, inbox.aggregate_version
    FROM unnest(%s::text[], %s::text[]) AS wanted (merchant_id, aggregate_id)
    JOIN inbox ON inbox.merchant_id = wanted.merchant_id AND inbox.consumer = %s
              AND inbox.aggregate_id = wanted.aggregate_id
"""

# In the order of the key, so that two members that meet wait for each other one way only.
ADVANCE = """
    INSERT INTO inbox (merchant_id, consumer, aggregate_id, aggregate_version)
    SELECT merchant_id, %s, aggregate_id, aggregate_version
    FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS fresh (merchant_id, aggregate_id, aggregate_version)
    ORDER BY merchant_id, aggregate_id
    ON CONFLICT (merchant_id, consumer, aggregate_id)
        DO UPDATE SET aggregate_version = excluded.aggregate_version
"""


def applied(
    connection: DictConnection, consumer: str, aggregates: Iterable[MerchantScoped]
) -> dict[MerchantScoped, int]:
    """The last version of each aggregate that took effect, of those that have one."""
    wanted = unique(aggregates)
    if not wanted:
        return {}
    rows = connection.execute(APPLIED, (*columns(wanted), consumer))
    return {(row["merchant_id"], row["aggregate_id"]): row["aggregate_version"] for row in rows}


def advance(connection: DictConnection, consumer: str, versions: Mapping[MerchantScoped, int]) -> None:
    """Notes the versions that take effect in this transaction."""
    if versions:
        rows = [(*aggregate, version) for aggregate, version in versions.items()]
        connection.execute(ADVANCE, (consumer, *columns(rows)))
