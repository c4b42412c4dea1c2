"""Queues a webhook for what happened, with what chance does to it on its way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from msgspec.structs import replace

from payflow.psp.simulator.behaviour import Webhooks
from payflow.psp.simulator.chance import Chance
from payflow.psp.simulator.controls import Controls
from payflow.psp.simulator.deliveries import Deliveries, Kind
from payflow.psp.simulator.executions import Executions
from payflow.psp.simulator.requests import AMOUNT_MAX, Key
from payflow.psp.simulator.webhooks import Event, EventType

_LOG = logging.getLogger(__name__)

WAITING_MAX = 100_000

# What happens when nobody has a question open: dropped, it would never be known.
ONLY_TOLD = frozenset(
    {
        EventType.ACTION_COMPLETED,
        EventType.CAPTURE_FAILED,
        EventType.REFUND_FAILED,
        EventType.LATE_SUCCESS,
    }
)

Announce = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Planned:
    """A delivery of an event, ``delay_s`` from now; ``held`` at the latest then."""

    kind: Kind
    delay_s: float = 0.0
    held: bool = False


def planned(told_as: EventType, webhooks: Webhooks, chance: Chance) -> list[Planned]:
    """The deliveries of one event."""
    deliveries = [_true_delivery(told_as, webhooks, chance)]
    if deliveries[0].kind is Kind.TRUE and chance.happens("duplicated", webhooks.duplicated):
        deliveries.append(Planned(Kind.TRUE))
    unbelievable = {
        Kind.FORGED: webhooks.forged,
        Kind.ALTERED: webhooks.altered,
        Kind.STALE: webhooks.stale,
        Kind.FUTURE: webhooks.future,
    }
    deliveries += [
        Planned(kind) for kind, probability in unbelievable.items() if chance.happens(kind, probability)
    ]
    return deliveries


def _true_delivery(told_as: EventType, webhooks: Webhooks, chance: Chance) -> Planned:
    if told_as not in ONLY_TOLD and chance.happens("dropped", webhooks.dropped):
        return Planned(Kind.DROPPED)
    if chance.happens("reordered", webhooks.reordered):
        return Planned(Kind.TRUE, webhooks.delay_s, held=True)
    if chance.happens("delayed", webhooks.delayed):
        return Planned(Kind.TRUE, webhooks.delay_s * chance.share("delayed by"))
    return Planned(Kind.TRUE)


def lie(event: Event) -> Event:
    """An event that never happened, in the place of one that did."""
    undone = {EventType.CAPTURED: EventType.CAPTURE_FAILED, EventType.REFUNDED: EventType.REFUND_FAILED}
    told_as = undone.get(event.type, EventType.LATE_SUCCESS)
    return replace(event, type=told_as, amount=min(event.amount * 10 + 1, AMOUNT_MAX))


class Announcements:
    """Puts deliveries into the queue; they are sent by whoever reads it."""

    def __init__(self, controls: Controls, executions: Executions, deliveries: Deliveries) -> None:
        self._controls = controls
        self._executions = executions
        self._deliveries = deliveries

    def announce(self, event: Event) -> None:
        """Queues the deliveries of ``event``, in the caller's transaction.

        Where WAITING_MAX are waiting already it is left out, as a webhook is a hint that may get lost.
        """
        if self._deliveries.waiting() >= WAITING_MAX:
            _LOG.warning("too many webhooks are waiting; %s is left out", event.id)
            return
        behaviour, now = self._controls.behaviour, self._controls.now()
        key = Key(event.psp_account, event.merchant, event.reference)
        chance = Chance(behaviour.seed, event.reference, self._executions.count(key, "webhook"))
        for one in planned(event.type, behaviour.webhooks, chance):
            told = lie(event) if one.kind in (Kind.FORGED, Kind.ALTERED) else event
            due_at = now + timedelta(seconds=one.delay_s)
            self._deliveries.add(event, one.kind, msgspec.json.encode(told), due_at, held=one.held)
