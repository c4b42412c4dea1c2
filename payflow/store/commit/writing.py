"""Writes what a batch changed: one statement a table, whatever its size, all in one round trip."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from payflow.domain.folding.working_set import Changes, KeyRecord, MerchantScoped, RecordedEvent, WorkingSet
from payflow.domain.ids import bucket_of
from payflow.domain.texts import Texts
from payflow.store import rows
from payflow.store.commit.writing_dead_letters import dead_letter_statements
from payflow.store.commit.writing_ledger import ledger_statements
from payflow.store.commit.writing_payments import LoadedIntents, intent_statements
from payflow.store.commit.writing_routing import routing_statements
from payflow.store.commit.writing_webhook_endpoints import webhook_endpoint_statements
from payflow.store.database import pipelining
from payflow.store.database.failures import StaleWriteError
from payflow.store.database.statement import DictConnection, Statement, columns, insert, insert_columns
from payflow.wire.events import event_name, schema_version, to_payload

EVENTS = """
    INSERT INTO events (
        merchant_id, aggregate_id, aggregate_version, bucket, type, schema_version, payload, occurred_at,
        actor, correlation_id, causation_id, causation_seq, traceparent)
    SELECT *
    FROM unnest(%b::text[], %b::text[], %b::bigint[], %b::smallint[], %b::text[], %b::smallint[],
                %b::bytea[], %b::timestamptz[], %b::text[], %b::text[], %b::text[], %b::smallint[],
                %b::text[])
"""

TEXTS = """
    INSERT INTO texts (
        merchant_id, owner_id, body, metadata)
    SELECT merchant_id, owner_id, body, metadata
    FROM json_populate_recordset(NULL::texts, %s)
"""

MERCHANTS = """
    INSERT INTO merchants (
        merchant_id, bucket, slot, name, mode, version, created_at, updated_at)
    SELECT merchant_id, bucket, slot, name, mode, version, created_at, updated_at
    FROM json_populate_recordset(NULL::merchants, %s)
    ON CONFLICT (merchant_id) DO UPDATE
    SET name = excluded.name, version = excluded.version, updated_at = excluded.updated_at
"""

PSP_ACCOUNTS = """
    INSERT INTO psp_accounts (
        merchant_id, id, connector, mode, fee_bps, fee_fixed, credential_ref, priority, enabled, version,
        created_at, updated_at, cost_bps, cost_fixed)
    SELECT merchant_id, id, connector, mode, fee_bps, fee_fixed, credential_ref, priority, enabled, version,
           created_at, updated_at, cost_bps, cost_fixed
    FROM json_populate_recordset(NULL::psp_accounts, %s)
    ON CONFLICT (merchant_id, id) DO UPDATE
    SET fee_bps = excluded.fee_bps, fee_fixed = excluded.fee_fixed, credential_ref = excluded.credential_ref,
        priority = excluded.priority, enabled = excluded.enabled, version = excluded.version,
        updated_at = excluded.updated_at, cost_bps = excluded.cost_bps, cost_fixed = excluded.cost_fixed
"""

KEYS = """
    INSERT INTO idempotency_keys (
        merchant_id, key, bucket, request_hash, command_id, attempt_id, response, completed_at, expires_at)
    SELECT merchant_id, key, bucket, request_hash, command_id, attempt_id, response, completed_at, expires_at
    FROM json_populate_recordset(NULL::idempotency_keys, %s)
    ON CONFLICT (merchant_id, key) DO UPDATE
    SET request_hash = excluded.request_hash, command_id = excluded.command_id,
        attempt_id = excluded.attempt_id, response = excluded.response,
        completed_at = excluded.completed_at, expires_at = excluded.expires_at
"""

FREED_KEYS = """
    DELETE FROM idempotency_keys AS stored
    USING unnest(%s::text[], %s::text[]) AS freed (merchant_id, key)
    WHERE stored.merchant_id = freed.merchant_id AND stored.key = freed.key
"""


def write(
    connection: DictConnection,
    working: WorkingSet,
    changes: Changes,
    loaded: LoadedIntents,
    key_ttl: timedelta,
) -> None:
    """Sends every write of a batch together; ``loaded`` are the intents as they were before the fold.

    Raises StaleWriteError when a guard did not hold.
    """
    statements = list(_statements(working, changes, loaded, key_ttl))
    with connection.pipeline() as pipeline:
        cursors = [connection.execute(one.sql, one.parameters) for one in statements]
        pipelining.sync(connection, pipeline)
        counts = [cursor.rowcount for cursor in cursors]
    for statement, count in zip(statements, counts, strict=True):
        if statement.rows_expected not in (None, count):
            raise StaleWriteError(f"{count} rows written, {statement.rows_expected} expected")


def _statements(
    working: WorkingSet, changes: Changes, loaded: LoadedIntents, key_ttl: timedelta
) -> Iterable[Statement]:
    yield from insert_columns(EVENTS, [_event_row(event) for event in changes.events])
    yield from insert(TEXTS, [_text_row(*item) for item in changes.texts.items()])
    yield from _merchant_statements(working, changes)
    yield from intent_statements(working, changes, loaded)
    yield from ledger_statements(changes)
    yield from routing_statements(changes)
    yield from dead_letter_statements(changes)
    yield from webhook_endpoint_statements(changes)
    yield from _key_statements(changes, key_ttl)


def _event_row(event: RecordedEvent) -> tuple[Any, ...]:
    return (
        event.merchant_id,
        event.aggregate_id,
        event.aggregate_version,
        bucket_of(event.merchant_id),
        event_name(event.data),
        schema_version(event.data),
        to_payload(event.data),
        event.occurred_at,
        event.actor,
        event.correlation_id,
        event.causation_id,
        event.causation_seq,
        event.traceparent,
    )


def _text_row(scoped: MerchantScoped, texts: Texts) -> dict[str, Any]:
    return {
        "merchant_id": scoped[0],
        "owner_id": scoped[1],
        "body": texts.text,
        "metadata": dict(texts.metadata),
    }


def _merchant_statements(working: WorkingSet, changes: Changes) -> Iterable[Statement]:
    changed = [working.merchants[merchant_id] for merchant_id in sorted(changes.merchants)]
    yield from insert(MERCHANTS, [rows.merchant_row(merchant) for merchant in changed])
    accounts = [account for merchant in changed for account in merchant.psp_accounts.values()]
    yield from insert(PSP_ACCOUNTS, [rows.psp_account_row(account) for account in accounts])


def _key_statements(changes: Changes, key_ttl: timedelta) -> Iterable[Statement]:
    kept = [_key_row(scoped, record, key_ttl) for scoped, record in changes.keys.items() if record]
    yield from insert(KEYS, kept)
    freed = [scoped for scoped, record in changes.keys.items() if record is None]
    if freed:
        yield Statement(FREED_KEYS, columns(freed))


def _key_row(scoped: MerchantScoped, record: KeyRecord, key_ttl: timedelta) -> dict[str, Any]:
    return {
        "merchant_id": scoped[0],
        "key": scoped[1],
        "bucket": bucket_of(scoped[0]),
        "request_hash": rows.binary(record.request_hash),
        "command_id": record.command_id,
        "attempt_id": record.attempt_id,
        "response": rows.binary(record.response),
        "completed_at": record.completed_at,
        "expires_at": record.completed_at + key_ttl if record.completed_at else None,
    }
