"""Sends merchants' webhooks: side by side, each endpoint's share bounded, each object's in their order."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

from payflow.commands.call import commit
from payflow.commands.ports import Ports
from payflow.domain.merchant_webhooks import signing
from payflow.domain.merchant_webhooks.commands import GiveUpEndpoint
from payflow.domain.merchant_webhooks.delivery import (
    GIVEN_UP_AFTER,
    GONE,
    Answer,
    TakenDelivery,
    put_off,
)
from payflow.domain.merchant_webhooks.state import DisabledReason, WebhookEndpoint
from payflow.events.consumers import merchant_webhook_metrics as metrics
from payflow.events.consumers.merchant_webhooks import DISABLED
from payflow.events.consumers.webhook_post import WebhookPost
from payflow.store.merchant_webhooks.delivery_queue import ABANDONED_MAX, DeliveryQueue
from server.worker.side_by_side import background_call

log = logging.getLogger(__name__)

SENDING_MAX = 32
PER_ENDPOINT_MAX = 4
PER_MERCHANT_MAX = 16
DATABASE_TIMEOUT_S = 5.0
ACTOR = "worker:merchant-webhooks"

# Longer than resolving a name, sending and writing down what came of it take.
LEASE = timedelta(seconds=120)


class Sending:
    """Takes what is due under a lease, so that several workers share it and a killed one loses nothing."""

    def __init__(self, ports: Ports, queue: DeliveryQueue, post: WebhookPost) -> None:
        self._ports = ports
        self._queue = queue
        self._post = post
        self._executor = ThreadPoolExecutor(SENDING_MAX, "merchant-webhooks")
        self._sending: set[Future[None]] = set()

    def due(self) -> int:
        """Begins to send as many as there is room for, and says how many; slow ones hold up no others."""
        self._sending = {one for one in self._sending if not one.done()}
        room = SENDING_MAX - len(self._sending)
        if not room:
            return 0
        now = self._ports.clock.now()
        taken = self._queue.take(now, LEASE, PER_ENDPOINT_MAX, PER_MERCHANT_MAX, room, _deadline())
        self._sending |= {self._executor.submit(self._settled, one) for one in taken}
        return len(taken)

    def wait(self) -> None:
        """Until nothing is being sent."""
        wait(self._sending)

    def close(self) -> None:
        """Lets what is being sent end."""
        self._executor.shutdown()

    def _settled(self, taken: TakenDelivery) -> None:
        try:
            self._send(taken)
        except Exception:
            log.exception("a webhook is left to its lease's end", extra={"webhook_id": taken.id})

    def _send(self, taken: TakenDelivery) -> None:
        endpoint = taken.endpoint
        if endpoint is None or not endpoint.is_enabled:
            self._abandon(taken)
            return
        now = self._ports.clock.now()
        headers = signing.headers(
            self._ports.merchant_webhooks.master_key,
            endpoint.id,
            endpoint.signing_generations(now),
            taken.id,
            now,
            taken.body,
        )
        answer = self._post.send(endpoint.url, headers, taken.body)
        if answer.is_acceptance:
            self._accepted(taken, answer)
        else:
            self._refused(taken, endpoint, answer)

    def _accepted(self, taken: TakenDelivery, answer: Answer) -> None:
        now = self._ports.clock.now()
        if self._queue.delivered(taken, answer, now, _deadline()):
            metrics.SENT.labels("delivered").inc()
            metrics.DELAY_S.observe((now - taken.begun_at).total_seconds())

    def _refused(self, taken: TakenDelivery, endpoint: WebhookEndpoint, answer: Answer) -> None:
        now = self._ports.clock.now()
        following = put_off(taken, answer, now, self._ports.jitter)
        if following.due_at is None:
            settled = self._queue.failed(taken, answer, now, _deadline())
        else:
            settled = self._queue.put_off(taken, answer, following.due_at, _deadline())
        if not settled:
            return
        _tell(taken, answer, given_up=following.due_at is None)
        failing_since = self._queue.refused(taken, now, following.rests_until, _deadline())
        if answer.status == GONE:
            self._give_up(taken, DisabledReason.GONE)
        # Whoever changes an endpoint, or enables it again, starts its time anew.
        elif now - max(failing_since, endpoint.updated_at) >= GIVEN_UP_AFTER:
            self._give_up(taken, DisabledReason.DEAD)

    def _give_up(self, taken: TakenDelivery, reason: DisabledReason) -> None:
        command = GiveUpEndpoint(taken.merchant_id, taken.endpoint_id, reason)
        commit(self._ports, background_call(ACTOR, taken.id), lambda _: command)
        metrics.DISABLED.labels(reason.lower()).inc()
        told = {"endpoint_id": taken.endpoint_id, "merchant_id": taken.merchant_id, "reason": reason.lower()}
        log.warning("a webhook endpoint was disabled", extra=told)
        self._abandon_waiting(taken)

    def _abandon(self, taken: TakenDelivery) -> None:
        """Of an endpoint that was disabled or removed meanwhile."""
        self._queue.failed(taken, Answer(None, DISABLED), self._ports.clock.now(), _deadline())
        self._abandon_waiting(taken)

    def _abandon_waiting(self, taken: TakenDelivery) -> None:
        abandoned = ABANDONED_MAX
        while abandoned == ABANDONED_MAX:
            now = self._ports.clock.now()
            abandoned = self._queue.abandon(taken.merchant_id, taken.endpoint_id, DISABLED, now, _deadline())


def _tell(taken: TakenDelivery, answer: Answer, given_up: bool) -> None:
    metrics.SENT.labels("given_up" if given_up else "refused").inc()
    told = {
        "webhook_id": taken.id,
        "endpoint_id": taken.endpoint_id,
        "type": taken.type,
        "object_id": taken.object_id,
        "tries": taken.tries,
        "detail": answer.detail,
    }
    level = logging.WARNING if given_up else logging.INFO
    log.log(level, "a webhook was %s", "given up" if given_up else "refused", extra=told)


def _deadline() -> float:
    return time.monotonic() + DATABASE_TIMEOUT_S
