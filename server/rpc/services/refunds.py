"""RefundService over the use cases and readers."""

from __future__ import annotations

import grpc

from payflow.commands import merchant_scope
from payflow.commands.create_refund import create_refund
from payflow.commands.ports import Ports
from payflow.domain.errors import invalid_field, not_found
from payflow.domain.resources import RefundView
from payflow.domain.texts import Texts
from payflow.v1 import refund_pb2 as pb
from payflow.v1 import refund_pb2_grpc
from payflow.wire.resources import to_message
from server.rpc.call import current_call
from server.rpc.services import page_token
from server.rpc.services.calls import changing_call, require_key, respond, scoped_merchant_id

INTENT_KIND = "payment intent"


class Refunds(refund_pb2_grpc.RefundServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def CreateRefund(self, request: pb.CreateRefundRequest, context: grpc.ServicerContext) -> pb.Refund:
        require_key()
        call_context = current_call()
        intent_id = request.payment_intent_id
        request.merchant_id = self._owner_of_intent(intent_id, request.merchant_id)
        view = self._ports.payments.payment_intent(request.merchant_id, intent_id, call_context.deadline)
        if view is None:
            raise not_found(INTENT_KIND, intent_id)
        amount = request.amount if request.HasField("amount") else None
        call = changing_call("CreateRefund", request)
        texts = Texts(request.reason, dict(request.metadata))
        return respond(create_refund(self._ports, call, view.intent, amount, texts), pb.Refund, context)

    def GetRefund(self, request: pb.GetRefundRequest, context: grpc.ServicerContext) -> pb.Refund:
        if not request.id:
            raise invalid_field("id", "is required")
        call = current_call()
        asked_by = scoped_merchant_id(call, request.merchant_id)
        owner = merchant_scope.owner_of(self._ports, "refund", request.id, asked_by, call.deadline)
        view = self._ports.payments.refund(owner, request.id, call.deadline)
        if view is None:
            raise not_found("refund", request.id)
        return _message(view)

    def ListRefunds(
        self, request: pb.ListRefundsRequest, context: grpc.ServicerContext
    ) -> pb.ListRefundsResponse:
        call = current_call()
        intent_id = request.payment_intent_id
        if intent_id:
            merchant_id = self._owner_of_intent(intent_id, request.merchant_id)
        else:
            merchant_id = merchant_scope.required(scoped_merchant_id(call, request.merchant_id))
        query = ("refunds", merchant_id, intent_id)
        size = page_token.page_size(request.page_size)
        before = page_token.decode(request.page_token, *query)
        found = self._ports.payments.refunds(merchant_id, intent_id, before, size + 1, call.deadline)
        page = found[:size]
        more = page_token.encode(page[-1].refund.id, *query) if len(found) > size else ""
        return pb.ListRefundsResponse(refunds=[_message(view) for view in page], next_page_token=more)

    def _owner_of_intent(self, intent_id: str, merchant_id: str) -> str:
        if not intent_id:
            raise invalid_field("payment_intent_id", "is required")
        call = current_call()
        asked_by = scoped_merchant_id(call, merchant_id)
        return merchant_scope.owner_of(self._ports, INTENT_KIND, intent_id, asked_by, call.deadline)


def _message(view: RefundView) -> pb.Refund:
    message = to_message(view)
    assert isinstance(message, pb.Refund)
    return message
