"""PaymentIntentService over the use cases and readers."""

from __future__ import annotations

from dataclasses import replace

import grpc

from payflow.commands import merchant_scope
from payflow.commands.authorize_payment_intent import authorize_payment_intent
from payflow.commands.cancel_payment_intent import cancel_payment_intent
from payflow.commands.capture_payment_intent import capture_payment_intent
from payflow.commands.create_payment_intent import check, create_payment_intent
from payflow.commands.ports import Ports
from payflow.commands.resolve_payment_intent import resolve_payment_intent
from payflow.domain.errors import invalid_field, not_found
from payflow.domain.intent.state import CaptureMethod
from payflow.domain.intent.status import IntentStatus
from payflow.domain.resources import PaymentIntentView
from payflow.domain.texts import Texts
from payflow.v1 import payment_intent_pb2 as pb
from payflow.v1 import payment_intent_pb2_grpc, payment_types_pb2
from payflow.wire.enums import member_of
from payflow.wire.events import to_envelope
from payflow.wire.resources import to_message
from server.rpc.call import current_call
from server.rpc.services import page_token
from server.rpc.services.calls import changing_call, require_key, respond, scoped_merchant_id
from server.rpc.services.stuck_operations import list_stuck_operations

KIND = "payment intent"
EVENTS_PAGE_DEFAULT = 100

_Changing = (
    pb.AuthorizePaymentIntentRequest
    | pb.CapturePaymentIntentRequest
    | pb.CancelPaymentIntentRequest
    | pb.ResolvePaymentIntentRequest
)


class PaymentIntents(payment_intent_pb2_grpc.PaymentIntentServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def CreatePaymentIntent(
        self, request: pb.CreatePaymentIntentRequest, context: grpc.ServicerContext
    ) -> pb.PaymentIntent:
        require_key()
        merchant_id = scoped_merchant_id(current_call(), request.merchant_id)
        request.merchant_id = merchant_scope.required(merchant_id)
        texts = Texts(request.description, dict(request.metadata))
        capture_method = _capture_method(request.capture_method)
        check(
            request.amount,
            request.currency,
            request.payment_method,
            request.payment_method_type,
            request.country,
            texts,
        )
        call = changing_call("CreatePaymentIntent", request)
        answer = create_payment_intent(
            self._ports,
            call,
            merchant_scope.known(self._ports, call, request.merchant_id),
            request.amount,
            request.currency,
            capture_method,
            request.payment_method,
            request.payment_method_type,
            request.country,
            texts,
        )
        return respond(answer, pb.PaymentIntent, context)

    def GetPaymentIntent(
        self, request: pb.GetPaymentIntentRequest, context: grpc.ServicerContext
    ) -> pb.PaymentIntent:
        return _message(self._view(request.id, request.merchant_id))

    def ListPaymentIntents(
        self, request: pb.ListPaymentIntentsRequest, context: grpc.ServicerContext
    ) -> pb.ListPaymentIntentsResponse:
        call = current_call()
        merchant_id = merchant_scope.required(scoped_merchant_id(call, request.merchant_id))
        status = _status(request.status)
        query = ("payment_intents", merchant_id, status or "")
        size = page_token.page_size(request.page_size)
        before = page_token.decode(request.page_token, *query)
        found = self._ports.payments.payment_intents(merchant_id, status, before, size + 1, call.deadline)
        page = found[:size]
        more = page_token.encode(page[-1].intent.id, *query) if len(found) > size else ""
        return pb.ListPaymentIntentsResponse(
            payment_intents=[_message(view) for view in page], next_page_token=more
        )

    def AuthorizePaymentIntent(
        self, request: pb.AuthorizePaymentIntentRequest, context: grpc.ServicerContext
    ) -> pb.PaymentIntent:
        view = self._to_change(request)
        call = changing_call("AuthorizePaymentIntent", request)
        answer = authorize_payment_intent(
            self._ports, call, view, request.payment_method, request.return_url, request.action_result
        )
        return respond(answer, pb.PaymentIntent, context)

    def CapturePaymentIntent(
        self, request: pb.CapturePaymentIntentRequest, context: grpc.ServicerContext
    ) -> pb.PaymentIntent:
        intent = self._to_change(request).intent
        call = changing_call("CapturePaymentIntent", request)
        amount = request.amount if request.HasField("amount") else None
        answer = capture_payment_intent(self._ports, call, intent, amount)
        return respond(answer, pb.PaymentIntent, context)

    def CancelPaymentIntent(
        self, request: pb.CancelPaymentIntentRequest, context: grpc.ServicerContext
    ) -> pb.PaymentIntent:
        intent = self._to_change(request).intent
        call = changing_call("CancelPaymentIntent", request)
        return respond(cancel_payment_intent(self._ports, call, intent), pb.PaymentIntent, context)

    def ListPaymentIntentEvents(
        self, request: pb.ListPaymentIntentEventsRequest, context: grpc.ServicerContext
    ) -> pb.ListPaymentIntentEventsResponse:
        intent = self._view(request.id, request.merchant_id).intent
        query = ("payment_intent_events", intent.id)
        size = page_token.page_size(request.page_size, EVENTS_PAGE_DEFAULT)
        after = page_token.decode_number(request.page_token, *query)
        found = self._ports.payments.events(
            intent.merchant_id, intent.id, after, size + 1, current_call().deadline
        )
        page = found[:size]
        more = page_token.encode(str(page[-1].aggregate_version), *query) if len(found) > size else ""
        return pb.ListPaymentIntentEventsResponse(
            events=[to_envelope(stored) for stored in page], next_page_token=more
        )

    def ListStuckOperations(
        self, request: pb.ListStuckOperationsRequest, context: grpc.ServicerContext
    ) -> pb.ListStuckOperationsResponse:
        return list_stuck_operations(self._ports, request)

    def ResolvePaymentIntent(
        self, request: pb.ResolvePaymentIntentRequest, context: grpc.ServicerContext
    ) -> pb.PaymentIntent:
        intent = self._to_change(request).intent
        unclaimed = replace(changing_call("ResolvePaymentIntent", request), claim=None)
        resolve_payment_intent(self._ports, unclaimed, intent)
        return _message(self._view(request.id, request.merchant_id))

    def _to_change(self, request: _Changing) -> PaymentIntentView:
        require_key()
        view = self._view(request.id, request.merchant_id)
        request.merchant_id = view.intent.merchant_id
        return view

    def _view(self, intent_id: str, merchant_id: str) -> PaymentIntentView:
        if not intent_id:
            raise invalid_field("id", "is required")
        call = current_call()
        asked_by = scoped_merchant_id(call, merchant_id)
        owner = merchant_scope.owner_of(self._ports, KIND, intent_id, asked_by, call.deadline)
        view = self._ports.payments.payment_intent(owner, intent_id, call.deadline)
        if view is None:
            raise not_found(KIND, intent_id)
        return view


def _message(view: PaymentIntentView) -> pb.PaymentIntent:
    message = to_message(view)
    assert isinstance(message, pb.PaymentIntent)
    return message


def _status(number: int) -> IntentStatus | None:
    status = member_of(pb.PaymentIntentStatus.DESCRIPTOR, number, IntentStatus)
    if status is None and number != pb.PAYMENT_INTENT_STATUS_UNSPECIFIED:
        raise invalid_field("status", "must be a PaymentIntentStatus")
    return status


def _capture_method(number: int) -> CaptureMethod:
    method = member_of(payment_types_pb2.CaptureMethod.DESCRIPTOR, number, CaptureMethod)
    if method is None and number != payment_types_pb2.CAPTURE_METHOD_UNSPECIFIED:
        raise invalid_field("capture_method", "must be MANUAL or AUTOMATIC")
    return method or CaptureMethod.MANUAL
