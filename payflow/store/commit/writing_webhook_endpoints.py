"""Writes webhook endpoints as a batch left them."""

from __future__ import annotations

from collections.abc import Iterable

from payflow.domain.folding.working_set import Changes
from payflow.store import rows
from payflow.store.database.statement import Statement, columns, insert

ENDPOINTS = """
    INSERT INTO webhook_endpoints (
        merchant_id, id, bucket, url, description, event_types, status, disabled_reason, secret_generation,
        secret_rotated_at, version, created_at, updated_at)
    SELECT merchant_id, id, bucket, url, description, event_types, status, disabled_reason, secret_generation,
           secret_rotated_at, version, created_at, updated_at
    FROM json_populate_recordset(NULL::webhook_endpoints, %s)
    ON CONFLICT (merchant_id, id) DO UPDATE
    SET url = excluded.url, description = excluded.description, event_types = excluded.event_types,
        status = excluded.status, disabled_reason = excluded.disabled_reason,
        secret_generation = excluded.secret_generation, secret_rotated_at = excluded.secret_rotated_at,
        version = excluded.version, updated_at = excluded.updated_at
"""

REMOVED = """
    DELETE FROM webhook_endpoints AS stored
    USING unnest(%s::text[], %s::text[]) AS removed (merchant_id, id)
    WHERE stored.merchant_id = removed.merchant_id AND stored.id = removed.id
"""


def webhook_endpoint_statements(changes: Changes) -> Iterable[Statement]:
    """What changed of where webhooks go."""
    kept = [rows.bucketed(one) for one in changes.webhook_endpoints.values() if one]
    yield from insert(ENDPOINTS, kept)
    removed = [scoped for scoped, one in changes.webhook_endpoints.items() if one is None]
    if removed:
        yield Statement(REMOVED, columns(removed))
