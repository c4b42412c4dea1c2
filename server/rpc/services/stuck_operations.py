"""PaymentIntentService's calls for operators: PSP calls without an outcome."""

from __future__ import annotations

from datetime import datetime, timedelta

from payflow.commands.ports import Ports
from payflow.domain import fields
from payflow.domain.instants import EPOCH
from payflow.domain.intent.state import AttemptState
from payflow.domain.resources import OpenAttempt
from payflow.v1 import payment_intent_pb2 as pb
from payflow.v1.payment_types_pb2 import OperationType
from payflow.wire.timestamps import timestamp
from server.rpc.call import current_call
from server.rpc.services import page_token
from server.rpc.services.calls import scoped_merchant_id

AGE_DEFAULT_S = 60
AGE_MAX_S = 2_592_000


def list_stuck_operations(
    ports: Ports, request: pb.ListStuckOperationsRequest
) -> pb.ListStuckOperationsResponse:
    """One page, oldest first."""
    call = current_call()
    merchant_id = scoped_merchant_id(call, request.merchant_id)
    if merchant_id:
        fields.merchant_id(merchant_id)
    age_s = request.age_min_s if request.HasField("age_min_s") else AGE_DEFAULT_S
    fields.whole_number("age_min_s", age_s, 0, AGE_MAX_S)
    query = page_token.query_of(request)
    size = page_token.page_size(request.page_size)
    now = ports.clock.now()
    found = ports.attempts.open(
        merchant_id,
        now - timedelta(seconds=age_s),
        _position(page_token.decode(request.page_token, query)),
        size + 1,
        call.deadline,
    )
    page = found[:size]
    more = page_token.encode(_written(page[-1]), query) if len(found) > size else ""
    return pb.ListStuckOperationsResponse(
        operations=[_message(one, now) for one in page], next_page_token=more
    )


def _position(written: str) -> tuple[datetime, str]:
    if not written:
        return EPOCH, ""
    started_at, _, attempt_id = written.partition(" ")
    return datetime.fromisoformat(started_at), attempt_id


def _written(one: OpenAttempt) -> str:
    return f"{one.attempt.started_at.isoformat()} {one.attempt.id}"


def _message(one: OpenAttempt, now: datetime) -> pb.StuckOperation:
    attempt = one.attempt
    parked = attempt.state is AttemptState.PARKED
    return pb.StuckOperation(
        payment_intent_id=attempt.payment_intent_id,
        merchant_id=one.merchant_id,
        attempt_id=attempt.id,
        type=OperationType.Value(f"OPERATION_TYPE_{attempt.operation}"),
        amount=attempt.amount,
        currency=attempt.currency,
        refund_id=attempt.refund_id,
        psp=attempt.connector,
        psp_account_id=attempt.psp_account_id,
        psp_key=attempt.psp_key,
        state=pb.StuckState.Value(f"STUCK_STATE_{attempt.state}"),
        since=timestamp(attempt.started_at),
        age_s=max(0, int((now - attempt.started_at).total_seconds())),
        checks=attempt.checks,
        next_check_at=None if parked else timestamp(attempt.due_at),
        undoes=attempt.undoes,
    )
