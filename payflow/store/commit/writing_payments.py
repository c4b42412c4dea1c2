"""Writes payment intents, refunds and PSP attempts as a batch left them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from payflow.domain.folding.working_set import Changes, MerchantScoped, WorkingSet
from payflow.domain.intent.state import OPEN_ATTEMPTS, IntentAggregate, PaymentIntent
from payflow.store import rows
from payflow.store.database.statement import Statement, columns, insert

NEW_INTENTS = """
    INSERT INTO payment_intents (
        merchant_id, id, bucket, version, status, amount, currency, capture_method, payment_method,
        operation, authorized_amount, captured_amount, fee_amount, refunded_amount, refund_pending_amount,
        psp, psp_account_id, psp_payment_id, next_action, failure, cancellation_reason,
        hold_transaction_id, capture_transaction_id, attempts_started, created_at, updated_at,
        authorized_at, authorization_expires_at, captured_at, canceled_at, payment_method_type, country,
        experiment_id, experiment_arm, routing_cost)
    SELECT merchant_id, id, bucket, version, status, amount, currency, capture_method, payment_method,
           operation, authorized_amount, captured_amount, fee_amount, refunded_amount, refund_pending_amount,
           psp, psp_account_id, psp_payment_id, next_action, failure, cancellation_reason,
           hold_transaction_id, capture_transaction_id, attempts_started, created_at, updated_at,
           authorized_at, authorization_expires_at, captured_at, canceled_at, payment_method_type, country,
           experiment_id, experiment_arm, routing_cost
    FROM json_populate_recordset(NULL::payment_intents, %s)
"""

CHANGED_INTENTS = """
    UPDATE payment_intents AS stored
    SET version = now.version, status = now.status, payment_method = now.payment_method,
        operation = now.operation, authorized_amount = now.authorized_amount,
        captured_amount = now.captured_amount, fee_amount = now.fee_amount,
        refunded_amount = now.refunded_amount, refund_pending_amount = now.refund_pending_amount,
        psp = now.psp, psp_account_id = now.psp_account_id, psp_payment_id = now.psp_payment_id,
        next_action = now.next_action, failure = now.failure, cancellation_reason = now.cancellation_reason,
        hold_transaction_id = now.hold_transaction_id, capture_transaction_id = now.capture_transaction_id,
        attempts_started = now.attempts_started, updated_at = now.updated_at,
        authorized_at = now.authorized_at, authorization_expires_at = now.authorization_expires_at,
        captured_at = now.captured_at, canceled_at = now.canceled_at, experiment_id = now.experiment_id,
        experiment_arm = now.experiment_arm, routing_cost = now.routing_cost
    FROM json_populate_recordset(NULL::payment_intents, %s) AS now
    JOIN unnest(%s::text[], %s::text[], %s::bigint[]) AS loaded (merchant_id, id, version)
        USING (merchant_id, id)
    WHERE stored.merchant_id = now.merchant_id AND stored.id = now.id AND stored.version = loaded.version
"""

REFUNDS = """
    INSERT INTO refunds (
        merchant_id, id, payment_intent_id, amount, currency, status, psp_refund_id, failure,
        hold_transaction_id, refund_transaction_id, created_at, refunded_at)
    SELECT merchant_id, id, payment_intent_id, amount, currency, status, psp_refund_id, failure,
           hold_transaction_id, refund_transaction_id, created_at, refunded_at
    FROM json_populate_recordset(NULL::refunds, %s)
    ON CONFLICT (merchant_id, id) DO UPDATE
    SET status = excluded.status, psp_refund_id = excluded.psp_refund_id, failure = excluded.failure,
        refund_transaction_id = excluded.refund_transaction_id, refunded_at = excluded.refunded_at
"""

ATTEMPTS = """
    INSERT INTO psp_attempts (
        merchant_id, payment_intent_id, id, bucket, operation, amount, currency, psp_account_id,
        connector, psp_key, payment_method, psp_payment_id, sale, refund_id, idempotency_key, state,
        fence, checks, due_at, started_at, finished_at, vanished, return_url, action_result, psp_reference,
        shuts_out, undoes, undoes_transaction_id, failure)
    SELECT merchant_id, payment_intent_id, id, bucket, operation, amount, currency, psp_account_id,
           connector, psp_key, payment_method, psp_payment_id, sale, refund_id, idempotency_key, state,
           fence, checks, due_at, started_at, finished_at, vanished, return_url, action_result, psp_reference,
           shuts_out, undoes, undoes_transaction_id, failure
    FROM json_populate_recordset(NULL::psp_attempts, %s)
    ON CONFLICT (merchant_id, payment_intent_id, id) DO UPDATE
    SET state = excluded.state, fence = excluded.fence, checks = excluded.checks, due_at = excluded.due_at,
        finished_at = excluded.finished_at, vanished = excluded.vanished,
        psp_reference = excluded.psp_reference, shuts_out = excluded.shuts_out, failure = excluded.failure
"""

LoadedIntents = Mapping[MerchantScoped, IntentAggregate]


def intent_statements(working: WorkingSet, changes: Changes, loaded: LoadedIntents) -> Iterable[Statement]:
    """What changed of the intents; ``loaded`` are those that were there before."""
    touched = [(working.intents[scoped], loaded.get(scoped)) for scoped in sorted(changes.intents)]
    yield from insert(NEW_INTENTS, [rows.bucketed(now.intent) for now, before in touched if before is None])
    yield from _changed_intents([(now.intent, before.intent) for now, before in touched if before])
    refunds = [
        rows.row_of(refund)
        for now, before in touched
        for refund in now.refunds.values()
        if before is None or before.refunds.get(refund.id) is not refund
    ]
    yield from insert(REFUNDS, refunds)
    attempts = [
        rows.bucketed(attempt, merchant_id=now.intent.merchant_id)
        for now, before in touched
        for attempt in now.attempts.values()
        if before is None or before.attempts.get(attempt.id) is not attempt
    ]
    # The one that ends comes before the one that takes its place: only one operation may be in flight.
    attempts.sort(key=lambda row: row["state"] in OPEN_ATTEMPTS)
    yield from insert(ATTEMPTS, attempts)


def _changed_intents(changed: Sequence[tuple[PaymentIntent, PaymentIntent]]) -> Iterable[Statement]:
    if changed:
        current = rows.to_json(rows.bucketed(now) for now, _ in changed)
        loaded = columns([(before.merchant_id, before.id, before.version) for _, before in changed])
        yield Statement(CHANGED_INTENTS, [current, *loaded], len(changed))
