"""WebhookService over the use cases and the inbox."""

from __future__ import annotations

import grpc

from payflow.commands import merchant_scope
from payflow.commands.discard_webhook import discard_webhook
from payflow.commands.ports import Ports
from payflow.commands.receive_webhook import Arrival, receive_webhook
from payflow.commands.retry_webhook import KIND, retry_webhook
from payflow.domain import fields
from payflow.domain.errors import PayFlowError, Reason, invalid_field, not_found
from payflow.domain.webhook import (
    BODY_BYTES_MAX,
    HEADER_BYTES_MAX,
    HEADERS_MAX,
    NOBODY,
    WebhookFilter,
    WebhookState,
    is_nobodys,
)
from payflow.v1 import webhook_pb2 as pb
from payflow.v1 import webhook_pb2_grpc
from payflow.wire.enums import member_of
from payflow.wire.webhooks import webhook_message
from server.rpc.call import current_call
from server.rpc.services import page_token
from server.rpc.services.calls import require_key, required_reason, scoped_merchant_id

OPEN_STATES = (WebhookState.PENDING, WebhookState.PARKED)


class Webhooks(webhook_pb2_grpc.WebhookServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def ReceiveWebhook(
        self, request: pb.ReceiveWebhookRequest, context: grpc.ServicerContext
    ) -> pb.ReceiveWebhookResponse:
        call = current_call()
        _require_bounds(request)
        arrival = Arrival(
            fields.psp_account_id(request.psp_account_id, "psp_account_id"),
            fields.merchant_id(request.merchant_id) if request.merchant_id else "",
            dict(request.headers),
            request.body,
            call.correlation_id,
            call.traceparent,
            call.deadline,
        )
        return pb.ReceiveWebhookResponse(reply=receive_webhook(self._ports, arrival))

    def ListWebhooks(
        self, request: pb.ListWebhooksRequest, context: grpc.ServicerContext
    ) -> pb.ListWebhooksResponse:
        call = current_call()
        wanted = _filter(request, scoped_merchant_id(call, request.merchant_id))
        query = ("webhooks", wanted.merchant_id, wanted.state or "", wanted.psp_account_id)
        size = page_token.page_size(request.page_size)
        before = page_token.decode(request.page_token, *query)
        found = self._ports.inbox.page(wanted, before, size + 1, call.deadline)
        page = found[:size]
        more = page_token.encode(page[-1].id, *query) if len(found) > size else ""
        return pb.ListWebhooksResponse(webhooks=map(webhook_message, page), next_page_token=more)

    def GetWebhook(self, request: pb.GetWebhookRequest, context: grpc.ServicerContext) -> pb.Webhook:
        found = self._ports.inbox.find(self._owner(request), request.id, current_call().deadline)
        if found is None:
            raise not_found(KIND, request.id)
        return webhook_message(found)

    def RetryWebhook(self, request: pb.RetryWebhookRequest, context: grpc.ServicerContext) -> pb.Webhook:
        require_key()
        owner = self._owner(request)
        return webhook_message(retry_webhook(self._ports, owner, request.id, current_call().deadline))

    def DiscardWebhook(self, request: pb.DiscardWebhookRequest, context: grpc.ServicerContext) -> pb.Webhook:
        require_key()
        reason = required_reason(request.reason)
        owner = self._owner(request)
        deadline = current_call().deadline
        return webhook_message(discard_webhook(self._ports, owner, request.id, reason, deadline))

    def _owner(
        self, request: pb.GetWebhookRequest | pb.RetryWebhookRequest | pb.DiscardWebhookRequest
    ) -> str:
        """The merchant of an event; what is nobody's is for callers who speak for no merchant."""
        if not request.id:
            raise invalid_field("id", "is required")
        call = current_call()
        asked_by = scoped_merchant_id(call, request.merchant_id)
        if is_nobodys(request.id) and not asked_by:
            return NOBODY
        return merchant_scope.owner_of(self._ports, KIND, request.id, asked_by, call.deadline)


def _require_bounds(request: pb.ReceiveWebhookRequest) -> None:
    headers = request.headers
    size_bytes = sum(len(name) + len(value) for name, value in headers.items())
    if len(headers) > HEADERS_MAX or size_bytes > HEADER_BYTES_MAX:
        raise invalid_field("headers", f"must be at most {HEADERS_MAX}, of {HEADER_BYTES_MAX} bytes in all")
    if len(request.body) > BODY_BYTES_MAX:
        raise PayFlowError(Reason.REQUEST_TOO_LARGE, f"the body is larger than {BODY_BYTES_MAX} bytes")


def _filter(request: pb.ListWebhooksRequest, merchant_id: str) -> WebhookFilter:
    state = member_of(pb.WebhookState.DESCRIPTOR, request.state, WebhookState)
    if state is None and request.state != pb.WEBHOOK_STATE_UNSPECIFIED:
        raise invalid_field("state", "must be a WebhookState")
    if merchant_id:
        fields.merchant_id(merchant_id)
    elif state not in OPEN_STATES:
        raise invalid_field("merchant_id", "is required unless state is PENDING or PARKED")
    account_id = request.psp_account_id
    if account_id:
        fields.psp_account_id(account_id, "psp_account_id")
    return WebhookFilter(merchant_id, state, account_id)
