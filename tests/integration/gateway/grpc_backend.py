"""A gRPC server of the real services that answers simply and notes what reaches it."""

from __future__ import annotations

import threading
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from payflow.domain.errors import PayFlowError, Reason, invalid_field, not_found
from payflow.v1 import (
    ledger_pb2,
    ledger_pb2_grpc,
    payment_intent_pb2,
    payment_intent_pb2_grpc,
    refund_pb2,
    refund_pb2_grpc,
)
from server.rpc.call import IDEMPOTENT_REPLAYED
from server.rpc.error_mapper import abort
from tests.waiting import WAIT_S


@dataclass
class Calls:
    """What reached the gRPC server, and what lets the slow call go on."""

    metadata: dict[str, str] = field(default_factory=dict)
    requests: list[Any] = field(default_factory=list)
    slow_started: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    peers: set[str] = field(default_factory=set)
    slow_may_end: threading.Event = field(default_factory=threading.Event)
    remaining_s: list[float] = field(default_factory=list)

    def note(self, request: Any, context: grpc.ServicerContext) -> None:
        self.requests.append(request)
        self.metadata = {str(key): str(value) for key, value in context.invocation_metadata()}
        if "idempotency-key" not in self.metadata and not type(request).__name__.startswith(("Get", "List")):
            abort(context, invalid_field("idempotency-key", "is required"))
        if self.metadata.get("idempotency-key") == "again":
            context.set_trailing_metadata(((IDEMPOTENT_REPLAYED, "true"),))


class Intents(payment_intent_pb2_grpc.PaymentIntentServiceServicer):
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def CreatePaymentIntent(self, request: Any, context: Any) -> payment_intent_pb2.PaymentIntent:
        self._calls.note(request, context)
        return payment_intent_pb2.PaymentIntent(
            id="pi_1",
            merchant_id=request.merchant_id,
            amount=request.amount,
            currency=request.currency,
            metadata=request.metadata,
            status=payment_intent_pb2.PAYMENT_INTENT_STATUS_CREATED,
        )

    def GetPaymentIntent(self, request: Any, context: Any) -> payment_intent_pb2.PaymentIntent:
        self._calls.peers.add(context.peer())
        if request.id == "pi_missing":
            abort(context, not_found("payment intent", request.id))
        if request.id == "pi_busy":
            abort(context, PayFlowError(Reason.CONCURRENT_UPDATE, "try again", retry_after_s=1.2))
        if request.id == "pi_crash":
            raise RuntimeError("secret text")
        if request.id == "pi_slow":
            self._calls.remaining_s.append(context.time_remaining())
            self._calls.slow_started.release()
            self._calls.slow_may_end.wait(2 * WAIT_S)
        return payment_intent_pb2.PaymentIntent(id=request.id)

    def ListPaymentIntents(self, request: Any, context: Any) -> payment_intent_pb2.ListPaymentIntentsResponse:
        self._calls.note(request, context)
        return payment_intent_pb2.ListPaymentIntentsResponse(next_page_token="next")

    def AuthorizePaymentIntent(self, request: Any, context: Any) -> payment_intent_pb2.PaymentIntent:
        self._calls.note(request, context)
        return payment_intent_pb2.PaymentIntent(
            id=request.id, status=payment_intent_pb2.PAYMENT_INTENT_STATUS_AUTHORIZED
        )

    def CapturePaymentIntent(self, request: Any, context: Any) -> payment_intent_pb2.PaymentIntent:
        self._calls.note(request, context)
        return payment_intent_pb2.PaymentIntent(
            id=request.id,
            captured_amount=request.amount,
            status=payment_intent_pb2.PAYMENT_INTENT_STATUS_CAPTURED,
        )


class Refunds(refund_pb2_grpc.RefundServiceServicer):
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def CreateRefund(self, request: Any, context: Any) -> refund_pb2.Refund:
        self._calls.note(request, context)
        return refund_pb2.Refund(
            id="re_1",
            payment_intent_id=request.payment_intent_id,
            amount=request.amount,
            reason=request.reason,
            status=refund_pb2.REFUND_STATUS_REFUNDED,
        )


class Ledger(ledger_pb2_grpc.LedgerServiceServicer):
    def PostTransactions(self, request: Any, context: Any) -> ledger_pb2.PostTransactionsResponse:
        failed = ledger_pb2.PostTransactionError(reason="UNBALANCED_TRANSACTION")
        return ledger_pb2.PostTransactionsResponse(
            results=[ledger_pb2.PostTransactionResult(error=failed) for _ in request.transactions]
        )


@dataclass(frozen=True)
class GrpcServer:
    server: grpc.Server
    port: int
    calls: Calls
    health: health.HealthServicer


def started_grpc_server(port: int = 0) -> GrpcServer:
    calls = Calls()
    serving = health.HealthServicer()
    server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
    # The RPCs that these leave out answer UNIMPLEMENTED, which only the stubs hold to be abstract.
    intents = Intents(calls)  # type: ignore[abstract]  # see above
    refunds = Refunds(calls)  # type: ignore[abstract]  # see above
    payment_intent_pb2_grpc.add_PaymentIntentServiceServicer_to_server(intents, server)
    refund_pb2_grpc.add_RefundServiceServicer_to_server(refunds, server)
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(Ledger(), server)  # type: ignore[abstract]  # see above
    health_pb2_grpc.add_HealthServicer_to_server(serving, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return GrpcServer(server, bound, calls, serving)
