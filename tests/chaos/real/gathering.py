"""Gathers the evidence of a run from the simulators and from PayFlow's database, for the auditor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from payflow.wire.events import from_payload
from tests.chaos.evidence import Answered, Effect, Evidence, Row, Terms
from tests.chaos.real.undoing import BY_HAND
from tests.simulators import Simulator

ROWS = {
    "intents": "SELECT * FROM payment_intents",
    "refunds": "SELECT * FROM refunds",
    "attempts": "SELECT * FROM psp_attempts",
    "keys": "SELECT key, response FROM idempotency_keys",
    "entries": "SELECT * FROM entries",
}
EVENTS = """
    SELECT merchant_id, aggregate_id, aggregate_version, type, schema_version, payload,
           occurred_at AS committed_at
    FROM events ORDER BY merchant_id, aggregate_id, aggregate_version
"""
PARKED = """
    SELECT reference, detail FROM webhook_inbox
    WHERE state IN ('PARKED', 'PENDING') AND NOT starts_with(reference, %s)
"""
KEY_WINDOW = timedelta(days=1)


def gather(
    url: str,
    simulators: Mapping[str, Simulator],
    calm_since: datetime,
    answered: Iterable[Answered],
    broken: Iterable[str],
) -> Evidence:
    """Everything that is known of a run; ``url`` is the database owner's."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        rows: dict[str, Any] = {name: connection.execute(query).fetchall() for name, query in ROWS.items()}
        events = [_event(row) for row in connection.execute(EVENTS)]
        parked = connection.execute(PARKED, (BY_HAND,)).fetchall()
    return Evidence(
        effects=[effect for name, one in simulators.items() for effect in _effects(name, one)],
        **rows,
        events=events,
        psps={name: Terms(looks_up=True, key_window=KEY_WINDOW) for name in simulators},
        calm_since=calm_since,
        answered=list(answered),
        refused=[f"{row['reference']}: {row['detail']}" for row in parked],
        broken=list(broken),
    )


def _event(row: dict[str, Any]) -> Row:
    data = from_payload(row["type"], row.pop("schema_version"), row.pop("payload"))
    return row | {"data": msgspec.to_builtins(data, builtin_types=(datetime, bytes))}


def _effects(psp: str, simulator: Simulator) -> list[Effect]:
    """Confessed is what the simulator declined at first, and announced as a late success."""
    confessed = {one["reference"] for one in simulator.deliveries() if one["type"] == "late_success"}
    return [
        Effect(
            at=datetime.fromisoformat(one["executed_at"]),
            psp=psp,
            reference="" if one["reference"].startswith(BY_HAND) else one["reference"],
            operation=one["operation"],
            payment_id=one["payment_id"],
            amount=one["amount"],
            currency=one["currency"],
            execution=one["execution"],
            confessed=one["reference"] in confessed,
        )
        for one in simulator.effects()
    ]
