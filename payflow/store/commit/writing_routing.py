"""Writes routing rules and experiments as a batch left them."""

from __future__ import annotations

from collections.abc import Iterable

from payflow.domain.folding.working_set import Changes
from payflow.store import rows
from payflow.store.database.statement import Statement, insert

RULES = """
    INSERT INTO routing_rules (
        merchant_id, version, rules, set_at)
    SELECT merchant_id, version, rules, set_at
    FROM json_populate_recordset(NULL::routing_rules, %s)
"""

EXPERIMENTS = """
    INSERT INTO routing_experiments (
        merchant_id, id, bucket, name, arms, guardrail, version, status, stop_reason, stopped_for,
        started_at, stopped_at)
    SELECT merchant_id, id, bucket, name, arms, guardrail, version, status, stop_reason, stopped_for,
           started_at, stopped_at
    FROM json_populate_recordset(NULL::routing_experiments, %s)
    ON CONFLICT (merchant_id, id) DO UPDATE
    SET version = excluded.version, status = excluded.status, stop_reason = excluded.stop_reason,
        stopped_for = excluded.stopped_for, stopped_at = excluded.stopped_at
"""


def routing_statements(changes: Changes) -> Iterable[Statement]:
    """What changed of the merchants' routing."""
    yield from insert(RULES, [rows.row_of(one) for one in changes.routing_rules])
    yield from insert(EXPERIMENTS, [rows.bucketed(one) for one in changes.experiments.values()])
