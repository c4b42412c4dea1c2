"""A merchant's own system, which calls PayFlow over gRPC or over HTTP: the same calls, the same answers."""

from __future__ import annotations

from typing import Any, Protocol

from google.protobuf.message import Message

from tests.http_payments import HttpCaller
from tests.payments import Caller
from tests.plain_messages import plain

Fields = dict[str, Any]


class Shop(Protocol):
    """Answers are fields by name, a status in lower case. Whatever is not answered with success raises."""

    def create(self, amount: int, currency: str) -> Fields: ...
    def authorize(self, intent_id: str, **more: str) -> Fields: ...
    def capture(self, intent_id: str, amount: int) -> Fields: ...
    def cancel(self, intent_id: str) -> Fields: ...
    def refund(self, intent_id: str, amount: int) -> Fields: ...
    def intent(self, intent_id: str) -> Fields: ...
    def refunded(self, refund_id: str) -> Fields: ...
    def trial_balance(self) -> Fields: ...


class GrpcShop:
    """Calls a gRPC server."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def create(self, amount: int, currency: str) -> Fields:
        """CreatePaymentIntent."""
        return _fields(self._caller.create(amount, currency))

    def authorize(self, intent_id: str, **more: str) -> Fields:
        """AuthorizePaymentIntent."""
        return _fields(self._caller.authorize(intent_id, **more))

    def capture(self, intent_id: str, amount: int) -> Fields:
        """CapturePaymentIntent."""
        return _fields(self._caller.capture(intent_id, amount))

    def cancel(self, intent_id: str) -> Fields:
        """CancelPaymentIntent."""
        return _fields(self._caller.cancel(intent_id))

    def refund(self, intent_id: str, amount: int) -> Fields:
        """CreateRefund."""
        return _fields(self._caller.refund(intent_id, amount))

    def intent(self, intent_id: str) -> Fields:
        """GetPaymentIntent."""
        return _fields(self._caller.get(intent_id))

    def refunded(self, refund_id: str) -> Fields:
        """GetRefund."""
        return _fields(self._caller.get_refund(refund_id))

    def trial_balance(self) -> Fields:
        """GetTrialBalance."""
        return plain(self._caller.trial_balance())


class HttpShop:
    """Calls a gateway."""

    def __init__(self, caller: HttpCaller, merchant_id: str) -> None:
        self._caller = caller
        self._merchant_id = merchant_id

    def create(self, amount: int, currency: str) -> Fields:
        """POST /v1/payment_intents."""
        return self._post("", {"merchant_id": self._merchant_id, "amount": amount, "currency": currency})

    def authorize(self, intent_id: str, **more: str) -> Fields:
        """POST …/authorize."""
        return self._post(f"/{intent_id}/authorize", more)

    def capture(self, intent_id: str, amount: int) -> Fields:
        """POST …/capture."""
        return self._post(f"/{intent_id}/capture", {"amount": amount})

    def cancel(self, intent_id: str) -> Fields:
        """POST …/cancel."""
        return self._post(f"/{intent_id}/cancel")

    def refund(self, intent_id: str, amount: int) -> Fields:
        """POST …/refund."""
        return self._post(f"/{intent_id}/refund", {"amount": amount})

    def intent(self, intent_id: str) -> Fields:
        """GET /v1/payment_intents/{id}."""
        return self._get(f"/v1/payment_intents/{intent_id}")

    def refunded(self, refund_id: str) -> Fields:
        """GET /v1/refunds/{id}."""
        return self._get(f"/v1/refunds/{refund_id}")

    def trial_balance(self) -> Fields:
        """GET /v1/ledger/trial_balance."""
        return self._get(f"/v1/ledger/trial_balance?merchant_id={self._merchant_id}")

    def _post(self, path: str, body: object = None) -> Fields:
        reply = self._caller.post(f"/v1/payment_intents{path}", body)
        assert reply.status in (200, 201), reply.body
        fields: Fields = reply.json
        return fields

    def _get(self, path: str) -> Fields:
        reply = self._caller.get(path)
        assert reply.status == 200, reply.body
        fields: Fields = reply.json
        return fields


def _fields(message: Message) -> Fields:
    fields = plain(message)
    return fields | {"status": fields["status"].lower()}
