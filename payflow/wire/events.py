"""Domain events as they are stored and published."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from google.protobuf.message import Message

from payflow.domain.dead_letter_events import DeadLetterEvent
from payflow.domain.folding.submission import Event
from payflow.domain.intent import events as intent_events
from payflow.domain.ledger.events import LedgerEvent
from payflow.domain.merchant.events import MerchantEvent
from payflow.domain.routing.events import RoutingEvent
from payflow.domain.stored_event import StoredEvent
from payflow.v1 import events_pb2
from payflow.wire.dataclass_codec import fill, parse
from payflow.wire.upcasting import UPCASTING, NewerEventError

log = logging.getLogger(__name__)

_AGGREGATES = (
    *("payment_intent", "psp_account", "merchant", "refund", "attempt", "account", "transaction"),
    *("routing", "experiment", "dead_letter"),
)


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event: its published name, its field in the envelope and its two classes."""

    name: str
    envelope_field: str
    domain: type[Event]
    message: type[Message]


def _event_type(domain: type[Event]) -> EventType:
    words = re.findall(r"[A-Z][a-z]*", domain.__name__)
    snake = "_".join(words).lower()
    aggregate = next(name for name in _AGGREGATES if snake.startswith(name))
    return EventType(
        f"{aggregate}.{snake.removeprefix(aggregate + '_')}",
        snake,
        domain,
        getattr(events_pb2, domain.__name__),
    )


_TYPES = tuple(
    _event_type(domain)
    for domain in (
        *intent_events.IntentEvent.__args__,
        *MerchantEvent.__args__,
        *LedgerEvent.__args__,
        *RoutingEvent.__args__,
        *DeadLetterEvent.__args__,
    )
)
BY_DOMAIN = {one.domain: one for one in _TYPES}
BY_NAME = {one.name: one for one in _TYPES}


def event_name(event: Event) -> str:
    """The published name, such as ``payment_intent.captured``."""
    return BY_DOMAIN[type(event)].name


def to_payload(event: Event) -> bytes:
    """The bytes that are stored."""
    message = BY_DOMAIN[type(event)].message()
    fill(message, event)
    return message.SerializeToString(deterministic=True)


def schema_version(event: Event) -> int:
    """The version of the layout in which the event is written."""
    return UPCASTING.newest(event_name(event))


def read(name: str, version: int, payload: bytes) -> Message | None:
    """The message behind stored bytes, in the newest layout; None for a type that this release does not know.

    Raises NewerEventError for a layout that it does not know.
    """
    if name not in BY_NAME:
        return None
    message = BY_NAME[name].message()
    message.ParseFromString(payload)
    UPCASTING.upcast(name, version, message)
    return message


def from_payload(name: str, version: int, payload: bytes) -> Event | None:
    """The event behind stored bytes; as ``read``."""
    message = read(name, version, payload)
    return None if message is None else parse(message, BY_NAME[name].domain)


def to_envelope(stored: StoredEvent) -> events_pb2.Event:
    """The event as callers see it, in the newest layout; data that this release cannot read is left out."""
    envelope = events_pb2.Event(
        id=f"{stored.aggregate_id}:{stored.aggregate_version}",
        type=stored.type,
        schema_version=stored.schema_version,
        merchant_id=stored.merchant_id,
        aggregate_id=stored.aggregate_id,
        aggregate_version=stored.aggregate_version,
        actor=stored.actor,
        correlation_id=stored.correlation_id,
        causation_id=stored.causation_id,
        traceparent=stored.traceparent,
    )
    envelope.occurred_at.FromDatetime(stored.occurred_at)
    try:
        message = read(stored.type, stored.schema_version, stored.payload)
    except NewerEventError as error:
        log.warning("%s is shown without its data: %s", envelope.id, error)
        return envelope
    if message is not None:
        envelope.schema_version = UPCASTING.newest(stored.type)
        data = getattr(envelope, BY_NAME[stored.type].envelope_field)
        data.CopyFrom(message)
        data.SetInParent()
    return envelope
