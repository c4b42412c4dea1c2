"""Writes what operators did about dead letters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple
from typing import Any

from payflow.domain.dead_letter import DeadLetterState
from payflow.domain.folding.working_set import Changes
from payflow.store.database.statement import Statement, columns

DISCARDED = """
    DELETE FROM dead_letters AS item
    USING unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])
        AS given_up (merchant_id, consumer, aggregate_id, aggregate_version)
    WHERE item.merchant_id = given_up.merchant_id AND item.consumer = given_up.consumer
      AND item.aggregate_id = given_up.aggregate_id AND item.aggregate_version = given_up.aggregate_version
      AND item.state = 'PARKED'
"""

# As if its consumer had applied it: delivered once more, it is a duplicate. The relay does not look here.
DONE_WITH = """
    INSERT INTO inbox AS last (merchant_id, consumer, aggregate_id, aggregate_version)
    SELECT *
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])
    ON CONFLICT (merchant_id, consumer, aggregate_id)
        DO UPDATE SET aggregate_version = greatest(last.aggregate_version, excluded.aggregate_version)
"""

RETRIED = """
    UPDATE dead_letters AS item
    SET state = 'RETRYING'
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])
        AS asked (merchant_id, consumer, aggregate_id, aggregate_version)
    WHERE item.merchant_id = asked.merchant_id AND item.consumer = asked.consumer
      AND item.aggregate_id = asked.aggregate_id AND item.aggregate_version = asked.aggregate_version
      AND item.state = 'PARKED'
"""

# Nothing is in front of them any more. Whoever appends writes the head, which was taken away or written
# above: PostgreSQL lets only one of the two transactions commit on what it saw.
RELEASED = """
    UPDATE dead_letters AS item
    SET state = 'RETRYING'
    FROM unnest(%s::text[], %s::text[], %s::text[]) AS released (merchant_id, consumer, aggregate_id)
    WHERE item.merchant_id = released.merchant_id AND item.consumer = released.consumer
      AND item.aggregate_id = released.aggregate_id AND item.state = 'WAITING'
"""


def dead_letter_statements(changes: Changes) -> Iterable[Statement]:
    """What changed of the merchants' dead letters."""
    discarded = _keys(changes, DeadLetterState.DISCARDED)
    if discarded:
        yield Statement(DISCARDED, columns(discarded), len(discarded))
        yield Statement(DONE_WITH, columns(discarded))
    retried = _keys(changes, DeadLetterState.RETRYING)
    if retried:
        yield Statement(RETRIED, columns(retried), len(retried))
    aggregates = {(key.merchant_id, key.consumer, key.aggregate_id) for key in changes.dead_letters}
    if aggregates:
        yield Statement(RELEASED, columns(sorted(aggregates)))


def _keys(changes: Changes, state: DeadLetterState) -> list[tuple[Any, ...]]:
    return [astuple(key) for key, after in changes.dead_letters.items() if after is state]
