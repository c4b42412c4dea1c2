"""WebhookEndpointService over the commit pipeline and the deliveries."""

from __future__ import annotations

import grpc

from payflow.commands import merchant_scope
from payflow.commands.call import Answer, commit_and_answer
from payflow.commands.ports import Ports
from payflow.domain import fields
from payflow.domain.errors import invalid_field, not_found
from payflow.domain.ids import derive_id, slot_of
from payflow.domain.merchant_webhooks import catalogue
from payflow.domain.merchant_webhooks.commands import (
    CreateEndpoint,
    DeleteEndpoint,
    EndpointCommand,
    RotateSecret,
    TryEndpoint,
    UpdateEndpoint,
)
from payflow.domain.merchant_webhooks.decide import KIND, require_enabled
from payflow.domain.merchant_webhooks.delivery import DeliveryState
from payflow.domain.merchant_webhooks.destination import endpoint_url
from payflow.domain.merchant_webhooks.state import ID_PREFIX, EndpointStatus, WebhookEndpoint
from payflow.v1 import webhook_endpoint_pb2 as pb
from payflow.v1 import webhook_endpoint_pb2_grpc
from payflow.wire import merchant_webhooks as wire
from payflow.wire.enums import member_of
from server.rpc.call import current_call
from server.rpc.services import page_token
from server.rpc.services.calls import changing_call, require_key, respond, scoped_merchant_id
from server.rpc.services.instants import instant

REDELIVERED_MAX = 1_000

_Changing = (
    pb.UpdateWebhookEndpointRequest
    | pb.DeleteWebhookEndpointRequest
    | pb.RotateWebhookEndpointSecretRequest
    | pb.TestWebhookEndpointRequest
    | pb.RedeliverWebhookRequest
    | pb.RedeliverFailedWebhooksRequest
)
_Addressed = (
    _Changing
    | pb.GetWebhookEndpointRequest
    | pb.GetWebhookEndpointSecretRequest
    | pb.ListWebhookDeliveriesRequest
)


class WebhookEndpoints(webhook_endpoint_pb2_grpc.WebhookEndpointServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def CreateWebhookEndpoint(
        self, request: pb.CreateWebhookEndpointRequest, context: grpc.ServicerContext
    ) -> pb.WebhookEndpoint:
        require_key()
        merchant_id = merchant_scope.required(scoped_merchant_id(current_call(), request.merchant_id))
        request.merchant_id = merchant_id
        url = self._url(request.url)
        description = fields.text("description", request.description, fields.NAME_MAX)
        event_types = catalogue.event_types(request.event_types)
        call = changing_call("CreateWebhookEndpoint", request)
        slot = merchant_scope.known(self._ports, call, merchant_id).slot

        def make(command_id: str) -> CreateEndpoint:
            endpoint_id = derive_id(ID_PREFIX, command_id, slot)
            return CreateEndpoint(merchant_id, endpoint_id, url, description, event_types)

        return respond(commit_and_answer(self._ports, call, make), pb.WebhookEndpoint, context)

    def GetWebhookEndpoint(
        self, request: pb.GetWebhookEndpointRequest, context: grpc.ServicerContext
    ) -> pb.WebhookEndpoint:
        return wire.endpoint(self._endpoint(request))

    def ListWebhookEndpoints(
        self, request: pb.ListWebhookEndpointsRequest, context: grpc.ServicerContext
    ) -> pb.ListWebhookEndpointsResponse:
        call = current_call()
        merchant_id = merchant_scope.required(scoped_merchant_id(call, request.merchant_id))
        found = self._ports.merchant_webhooks.endpoints(merchant_id, call.deadline)
        return pb.ListWebhookEndpointsResponse(webhook_endpoints=map(wire.endpoint, found))

    def UpdateWebhookEndpoint(
        self, request: pb.UpdateWebhookEndpointRequest, context: grpc.ServicerContext
    ) -> pb.WebhookEndpoint:
        given = request.HasField
        command = UpdateEndpoint(
            self._scope(request),
            request.id,
            self._url(request.url) if given("url") else None,
            fields.text("description", request.description, fields.NAME_MAX)
            if given("description")
            else None,
            catalogue.event_types(request.event_types) if request.event_types else None,
            _status(request),
        )
        return respond(self._answer("UpdateWebhookEndpoint", request, command), pb.WebhookEndpoint, context)

    def DeleteWebhookEndpoint(
        self, request: pb.DeleteWebhookEndpointRequest, context: grpc.ServicerContext
    ) -> pb.WebhookEndpoint:
        command = DeleteEndpoint(self._scope(request), request.id)
        return respond(self._answer("DeleteWebhookEndpoint", request, command), pb.WebhookEndpoint, context)

    def RotateWebhookEndpointSecret(
        self, request: pb.RotateWebhookEndpointSecretRequest, context: grpc.ServicerContext
    ) -> pb.WebhookEndpoint:
        command = RotateSecret(self._scope(request), request.id)
        answer = self._answer("RotateWebhookEndpointSecret", request, command)
        return respond(answer, pb.WebhookEndpoint, context)

    def GetWebhookEndpointSecret(
        self, request: pb.GetWebhookEndpointSecretRequest, context: grpc.ServicerContext
    ) -> pb.WebhookEndpointSecret:
        endpoint = self._endpoint(request)
        return pb.WebhookEndpointSecret(id=endpoint.id, secret=self._ports.merchant_webhooks.secret(endpoint))

    def TestWebhookEndpoint(
        self, request: pb.TestWebhookEndpointRequest, context: grpc.ServicerContext
    ) -> pb.WebhookEndpoint:
        command = TryEndpoint(self._scope(request), request.id)
        return respond(self._answer("TestWebhookEndpoint", request, command), pb.WebhookEndpoint, context)

    def ListWebhookDeliveries(
        self, request: pb.ListWebhookDeliveriesRequest, context: grpc.ServicerContext
    ) -> pb.ListWebhookDeliveriesResponse:
        endpoint = self._endpoint(request)
        state = member_of(pb.WebhookDeliveryState.DESCRIPTOR, request.state, DeliveryState)
        if state is None and request.state != pb.WEBHOOK_DELIVERY_STATE_UNSPECIFIED:
            raise invalid_field("state", "must be a WebhookDeliveryState")
        query = ("webhook_deliveries", endpoint.id, state or "")
        size = page_token.page_size(request.page_size)
        before = page_token.decode(request.page_token, *query)
        found = self._ports.merchant_webhooks.deliveries(
            endpoint, state, before, size + 1, current_call().deadline
        )
        page = found[:size]
        more = page_token.encode(page[-1].id, *query) if len(found) > size else ""
        return pb.ListWebhookDeliveriesResponse(deliveries=map(wire.delivery, page), next_page_token=more)

    def RedeliverWebhook(
        self, request: pb.RedeliverWebhookRequest, context: grpc.ServicerContext
    ) -> pb.WebhookDelivery:
        endpoint, key = self._to_redeliver(request)
        found = None
        if slot_of(request.delivery_id) is not None:
            now, deadline = self._ports.clock.now(), current_call().deadline
            found = self._ports.merchant_webhooks.redeliver(endpoint, request.delivery_id, key, now, deadline)
        if found is None:
            raise not_found("webhook delivery", request.delivery_id)
        return wire.delivery(found)

    def RedeliverFailedWebhooks(
        self, request: pb.RedeliverFailedWebhooksRequest, context: grpc.ServicerContext
    ) -> pb.RedeliverFailedWebhooksResponse:
        endpoint, key = self._to_redeliver(request)
        since = instant(request, "since")
        if since is None:
            raise invalid_field("since", "is required")
        redelivered = self._ports.merchant_webhooks.redeliver_failed(
            endpoint, since, key, self._ports.clock.now(), REDELIVERED_MAX, current_call().deadline
        )
        return pb.RedeliverFailedWebhooksResponse(
            redelivered=redelivered, more=redelivered == REDELIVERED_MAX
        )

    def _to_redeliver(
        self, request: pb.RedeliverWebhookRequest | pb.RedeliverFailedWebhooksRequest
    ) -> tuple[WebhookEndpoint, str]:
        """An endpoint that is enabled, and the key of the request."""
        key = fields.idempotency_key(current_call().idempotency_key)
        endpoint = self._endpoint(request)
        require_enabled(endpoint)
        return endpoint, key

    def _answer(self, method: str, request: _Changing, command: EndpointCommand) -> Answer:
        return commit_and_answer(self._ports, changing_call(method, request), lambda _: command)

    def _scope(self, request: _Changing) -> str:
        require_key()
        request.merchant_id = self._owner(request)
        return request.merchant_id

    def _owner(self, request: _Addressed) -> str:
        if not request.id:
            raise invalid_field("id", "is required")
        call = current_call()
        asked_by = scoped_merchant_id(call, request.merchant_id)
        return merchant_scope.owner_of(self._ports, KIND, request.id, asked_by, call.deadline)

    def _endpoint(self, request: _Addressed) -> WebhookEndpoint:
        owner = self._owner(request)
        found = self._ports.merchant_webhooks.endpoint(owner, request.id, current_call().deadline)
        if found is None:
            raise not_found(KIND, request.id)
        return found

    def _url(self, value: str) -> str:
        return endpoint_url(value, self._ports.webhooks_allow_private)


def _status(request: pb.UpdateWebhookEndpointRequest) -> EndpointStatus | None:
    status = member_of(pb.WebhookEndpointStatus.DESCRIPTOR, request.status, EndpointStatus)
    if status is None and request.status != pb.WEBHOOK_ENDPOINT_STATUS_UNSPECIFIED:
        raise invalid_field("status", "must be a WebhookEndpointStatus")
    return status
