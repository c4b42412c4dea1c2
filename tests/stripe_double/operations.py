"""Each operation at the double: prepared to be asked for, and how often it was executed."""

from __future__ import annotations

from payflow.domain.psp_outcome import Approved, OperationType
from payflow.psp.connector import PspCall
from payflow.psp.stripe.connector import StripeConnector
from tests.stripe_calls import authorization, modification
from tests.stripe_double.answers import error
from tests.stripe_double.running import StripeDouble

AUTHORIZE, CAPTURE, CANCEL, REFUND = OperationType
BROKEN = error(500, "api_error", code="api_error")
PATHS = {
    AUTHORIZE: "POST /v1/payment_intents",
    CAPTURE: "POST /capture",
    CANCEL: "POST /cancel",
    REFUND: "POST /v1/refunds",
}


def prepared(stripe: StripeDouble, connector: StripeConnector, operation: OperationType) -> PspCall:
    """A call that can be made now."""
    asked_at = stripe.clock.now()
    if operation is AUTHORIZE:
        return authorization(asked_at=asked_at)
    made = connector.execute(authorization(sale=operation is REFUND, asked_at=asked_at))
    assert isinstance(made, Approved)
    return modification(operation, made.psp_id, 600, asked_at=asked_at)


def effects(stripe: StripeDouble, call: PspCall) -> int:
    """How often the call was executed."""
    payments = [one for one in stripe.payments() if "payflow_shut_out" not in one["metadata"]]
    match call.operation:
        case OperationType.AUTHORIZE:
            return sum(one["metadata"]["payflow_reference"] == call.psp_key for one in payments)
        case OperationType.CAPTURE:
            return sum(one["amount_received"] == 600 for one in payments)
        case OperationType.CANCEL:
            return sum(one["status"] == "canceled" for one in payments)
        case OperationType.REFUND:
            refunds = stripe.refunds(call.psp_payment_id)
            return sum(one["metadata"]["payflow_reference"] == call.psp_key for one in refunds)
