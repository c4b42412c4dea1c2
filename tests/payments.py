"""A caller of PayFlow, over gRPC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast
from uuid import uuid4

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from payflow.v1 import (
    analytics_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    merchant_pb2_grpc,
    payment_intent_pb2,
    payment_intent_pb2_grpc,
    refund_pb2,
    refund_pb2_grpc,
    routing_pb2_grpc,
    webhook_endpoint_pb2_grpc,
    webhook_pb2_grpc,
)
from tests.waiting import WAIT_S

# Longer than any other limit, so that it is never this one that is met.
TIMEOUT_S = WAIT_S


class ApiError(Exception):
    """An error as callers see it."""

    def __init__(self, error: grpc.RpcError) -> None:
        status = rpc_status.from_call(cast(Any, error))
        self.code: grpc.StatusCode = cast(Any, error).code()
        self.message: str = cast(Any, error).details()
        self.reason = ""
        self.retry_after_s: float | None = None
        self.fields: list[str] = []
        self.metadata: dict[str, str] = {}
        for detail in status.details if status else ():
            self._read(detail)
        super().__init__(f"{self.code.name} {self.reason}: {self.message}")

    def _read(self, detail: Any) -> None:
        info, retry, bad = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.RetryInfo(),
            error_details_pb2.BadRequest(),
        )
        if detail.Unpack(info):
            self.reason = info.reason
            self.metadata = dict(info.metadata)
        elif detail.Unpack(retry):
            self.retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
        elif detail.Unpack(bad):
            self.fields = [violation.field for violation in bad.field_violations]


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, and whether it was a stored one."""

    message: Any
    replayed: bool


class Caller:
    """Speaks for one merchant to one server. Every changing call has a fresh key unless one is given."""

    def __init__(
        self, address: str, merchant_id: str = "merchant_test", options: Sequence[tuple[str, int]] = ()
    ) -> None:
        self.merchant_id = merchant_id
        self.channel = grpc.insecure_channel(address, options=options)
        self.intents = payment_intent_pb2_grpc.PaymentIntentServiceStub(self.channel)
        self.refunds = refund_pb2_grpc.RefundServiceStub(self.channel)
        self.ledger = ledger_pb2_grpc.LedgerServiceStub(self.channel)
        self.merchants = merchant_pb2_grpc.MerchantServiceStub(self.channel)
        self.routing = routing_pb2_grpc.RoutingServiceStub(self.channel)
        self.analytics = analytics_pb2_grpc.AnalyticsServiceStub(self.channel)
        self.webhooks = webhook_pb2_grpc.WebhookServiceStub(self.channel)
        self.webhook_endpoints = webhook_endpoint_pb2_grpc.WebhookEndpointServiceStub(self.channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def reply(
        self, rpc: Callable[..., Any], request: Any, key: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> Reply:
        """Calls any RPC. Raises ApiError."""
        metadata = (("idempotency-key", key or str(uuid4())),)
        try:
            message, call = cast(Any, rpc).with_call(request, metadata=metadata, timeout=timeout_s)
        except grpc.RpcError as error:
            raise ApiError(error) from None
        return Reply(
            message, ("idempotent-replayed", "true") in [tuple(item) for item in call.trailing_metadata()]
        )

    def create(self, amount: int = 10_000, currency: str = "USD", key: str | None = None, **more: Any) -> Any:
        """CreatePaymentIntent."""
        request = payment_intent_pb2.CreatePaymentIntentRequest(
            merchant_id=self.merchant_id, amount=amount, currency=currency, **more
        )
        return self.reply(self.intents.CreatePaymentIntent, request, key).message

    def authorize(self, intent_id: str, payment_method: str = "", key: str | None = None, **more: Any) -> Any:
        """AuthorizePaymentIntent."""
        request = payment_intent_pb2.AuthorizePaymentIntentRequest(
            id=intent_id, payment_method=payment_method, **more
        )
        return self.reply(self.intents.AuthorizePaymentIntent, request, key).message

    def capture(self, intent_id: str, amount: int | None = None, key: str | None = None) -> Any:
        """CapturePaymentIntent."""
        request = payment_intent_pb2.CapturePaymentIntentRequest(id=intent_id, amount=amount)
        return self.reply(self.intents.CapturePaymentIntent, request, key).message

    def cancel(self, intent_id: str, key: str | None = None) -> Any:
        """CancelPaymentIntent."""
        request = payment_intent_pb2.CancelPaymentIntentRequest(id=intent_id)
        return self.reply(self.intents.CancelPaymentIntent, request, key).message

    def refund(self, intent_id: str, amount: int | None = None, key: str | None = None, **more: Any) -> Any:
        """CreateRefund."""
        request = refund_pb2.CreateRefundRequest(payment_intent_id=intent_id, amount=amount, **more)
        return self.reply(self.refunds.CreateRefund, request, key).message

    def get_refund(self, refund_id: str) -> Any:
        """GetRefund."""
        return self.reply(self.refunds.GetRefund, refund_pb2.GetRefundRequest(id=refund_id)).message

    def get(self, intent_id: str) -> Any:
        """GetPaymentIntent."""
        return self.reply(
            self.intents.GetPaymentIntent, payment_intent_pb2.GetPaymentIntentRequest(id=intent_id)
        ).message

    def captured(self, amount: int = 10_000, currency: str = "USD", **more: Any) -> Any:
        """A payment that was created, authorized and captured."""
        intent = self.create(amount, currency, **more)
        self.authorize(intent.id)
        return self.capture(intent.id)

    def balance(self, account_id: str) -> Any:
        """GetBalance."""
        request = ledger_pb2.GetBalanceRequest(merchant_id=self.merchant_id, account_id=account_id)
        return self.reply(self.ledger.GetBalance, request).message

    def trial_balance(self) -> Any:
        """GetTrialBalance."""
        request = ledger_pb2.GetTrialBalanceRequest(merchant_id=self.merchant_id)
        return self.reply(self.ledger.GetTrialBalance, request).message
