"""PayFlow in the test's process with its consumer and sender of merchants' webhooks, on a turned clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
from standardwebhooks import Webhook

from payflow.events.consumer import Consumer
from payflow.events.consumers.merchant_webhooks import CONSUMER, MerchantWebhooks
from payflow.events.consumers.webhook_post import WebhookPost
from payflow.store.merchant_webhooks.delivery_queue import DeliveryQueue
from payflow.v1 import webhook_endpoint_pb2 as pb
from payflow.wire.json_encoder import MessageEncoders
from server.gateway.enum_names import enum_names
from server.worker.merchant_webhooks import Sending
from tests.event_table import EventTable
from tests.in_process import InProcess
from tests.merchant_receiver import Arrival, MerchantReceiver, merchant_receiver

STEP_MAX = timedelta(minutes=15)


@dataclass(slots=True)
class MerchantWebhookStack:
    """A merchant, its receiver, and everything in between."""

    payflow: InProcess
    receiver: MerchantReceiver
    events: EventTable
    consumer: Consumer
    sending: Sending

    def ask(self, rpc: str, request: Any, key: str | None = None) -> Any:
        """Any RPC of WebhookEndpointService. Raises ApiError."""
        caller = self.payflow.caller
        return caller.reply(getattr(caller.webhook_endpoints, rpc), request, key).message

    def endpoint(self, *event_types: str, url: str = "", merchant_id: str = "") -> Any:
        """A new endpoint at the receiver."""
        request = pb.CreateWebhookEndpointRequest(
            merchant_id=merchant_id or self.payflow.caller.merchant_id,
            url=url or self.receiver.url,
            event_types=event_types,
        )
        return self.ask("CreateWebhookEndpoint", request)

    def get(self, endpoint_id: str) -> Any:
        """The endpoint as it is now."""
        return self.ask("GetWebhookEndpoint", pb.GetWebhookEndpointRequest(id=endpoint_id))

    def update(self, endpoint_id: str, **fields: Any) -> Any:
        """The endpoint as it was changed."""
        return self.ask("UpdateWebhookEndpoint", pb.UpdateWebhookEndpointRequest(id=endpoint_id, **fields))

    def secret(self, endpoint_id: str) -> str:
        """The current one."""
        request = pb.GetWebhookEndpointSecretRequest(id=endpoint_id)
        return str(self.ask("GetWebhookEndpointSecret", request).secret)

    def deliveries(self, endpoint_id: str, state: str = "") -> list[Any]:
        """The newest first."""
        request = pb.ListWebhookDeliveriesRequest(id=endpoint_id, page_size=500)
        if state:
            request.state = pb.WebhookDeliveryState.Value(f"WEBHOOK_DELIVERY_STATE_{state}")
        return list(self.ask("ListWebhookDeliveries", request).deliveries)

    def states(self, endpoint_id: str) -> set[str]:
        """Where its deliveries stand."""
        names = (pb.WebhookDeliveryState.Name(one.state) for one in self.deliveries(endpoint_id))
        return {name.removeprefix("WEBHOOK_DELIVERY_STATE_") for name in names}

    def tell(self) -> None:
        """Puts every new event on its way."""
        while self.consumer.work():
            pass

    def send(self) -> None:
        """Sends what is due now, until nothing is."""
        while self.sending.due():
            self.sending.wait()

    def pass_time(self, total: timedelta) -> None:
        """Turns the clock on, step by step, and sends in between."""
        until = self.payflow.clock.now() + total
        while (left := until - self.payflow.clock.now()) > timedelta():
            self.payflow.clock.forward(seconds=min(left, STEP_MAX).total_seconds())
            self.send()


@contextmanager
def merchant_webhook_stack(payflow: InProcess) -> Iterator[MerchantWebhookStack]:
    """For a merchant that nobody has heard of, as of the machine's time; what others left is gone."""
    with psycopg.connect(payflow.url, autocommit=True) as connection:
        connection.execute("TRUNCATE webhook_deliveries, webhook_refusals")
    payflow.caller.merchant_id = f"merchant_{uuid4().hex}"
    payflow.clock.forward(seconds=(datetime.now(UTC) - payflow.clock.now()).total_seconds())
    with merchant_receiver() as receiver:
        database = payflow.database
        events = EventTable(database)
        events.skip()
        handler = MerchantWebhooks(payflow.clock, MessageEncoders(enum_names))
        consumer = Consumer(CONSUMER, events, handler, database.application_url, now=payflow.clock.now)
        post = WebhookPost(allows_private=True)
        sending = Sending(payflow.core.ports, DeliveryQueue(payflow.core.writes), post)
        try:
            yield MerchantWebhookStack(payflow, receiver, events, consumer, sending)
        finally:
            receiver.may_answer.set()
            sending.close()
            consumer.close()


def verified(secret: str, arrival: Arrival) -> Any:
    """What the specification's reference library makes of it. Raises WebhookVerificationError."""
    return Webhook(secret).verify(arrival.body, dict(arrival.headers))
