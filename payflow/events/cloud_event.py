"""Events on the wire: CloudEvents 1.0 in Kafka's binary content mode, their data as protobuf JSON.

Source: CloudEvents specification 1.0.2 and its Kafka protocol binding, https://cloudevents.io. An entry of a
Redis stream has the same headers as fields, and the data in the field ``value``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message

from payflow.domain.stored_event import StoredEvent
from payflow.events.published_event import PublishedEvent
from payflow.wire.events import read
from payflow.wire.json_encoder import MessageEncoders
from payflow.wire.upcasting import UPCASTING, NewerEventError

CONTENT_TYPE = "application/json"
SPECIFICATION_VERSION = "1.0"

# What inbox and dead letters can keep, and operators can name.
_KEPT_ID = re.compile("[!-~]{1,200}")
_KEPT_VERSION = re.compile("[1-9][0-9]{0,17}")


class UnpublishableError(ValueError):
    """An event that this release cannot put on the wire."""


class MalformedEventError(ValueError):
    """What came over the wire is not an event of PayFlow's."""


def to_published(stored: StoredEvent) -> PublishedEvent:
    """The event as consumers get it, in the newest layout of its type. Raises UnpublishableError."""
    try:
        message = read(stored.type, stored.schema_version, stored.payload)
        data = b"" if message is None else _data(message)
    except NewerEventError as error:
        raise UnpublishableError(str(error)) from error
    except Exception as error:  # protobuf and JSON each have several ways to say that bytes make no sense
        raise UnpublishableError(f"the payload is no {stored.type}: {error}") from error
    if message is None:
        raise UnpublishableError(f"this release does not know events of type {stored.type}")
    return with_data(stored, data, UPCASTING.newest(stored.type))


def _data(message: Message) -> bytes:
    descriptor: Any = message.DESCRIPTOR
    return _to_json(_encoders.of(descriptor)(message))


def with_data(stored: StoredEvent, data: bytes, schema_version: int) -> PublishedEvent:
    """The event's envelope around data of that layout."""
    return PublishedEvent(
        id=f"{stored.aggregate_id}:{stored.aggregate_version}",
        type=stored.type,
        schema_version=schema_version,
        merchant_id=stored.merchant_id,
        aggregate_id=stored.aggregate_id,
        aggregate_version=stored.aggregate_version,
        occurred_at=stored.occurred_at,
        actor=stored.actor,
        correlation_id=stored.correlation_id,
        causation_id=stored.causation_id,
        traceparent=stored.traceparent,
        data=data,
    )


def headers_of(event: PublishedEvent) -> dict[str, str]:
    """The headers; an attribute that is empty has none, as CloudEvents wants it.

    Ids that callers choose are unique for each merchant only, so the source names the merchant.
    """
    headers = {
        "content-type": CONTENT_TYPE,
        "ce_specversion": SPECIFICATION_VERSION,
        "ce_id": event.id,
        "ce_source": f"/payflow/merchants/{event.merchant_id}",
        "ce_type": event.type,
        "ce_time": event.occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "ce_subject": event.aggregate_id,
        "ce_merchantid": event.merchant_id,
        "ce_aggregateid": event.aggregate_id,
        "ce_aggregateversion": str(event.aggregate_version),
        "ce_schemaversion": str(event.schema_version),
        "ce_actor": event.actor,
        "ce_correlationid": event.correlation_id,
        "ce_causationid": event.causation_id,
        "traceparent": event.traceparent,
        "correlation-id": event.correlation_id,
    }
    return {name: value for name, value in headers.items() if value}


def from_wire(headers: Mapping[str, str], data: bytes) -> PublishedEvent:
    """The event behind its headers and data. Raises MalformedEventError."""
    if headers.get("ce_specversion") != SPECIFICATION_VERSION or headers.get("content-type") != CONTENT_TYPE:
        raise MalformedEventError("the headers are not those of a CloudEvent 1.0 with JSON data")
    if any("\0" in content for content in headers.values()):
        raise MalformedEventError("a header holds a NUL, which PostgreSQL does not keep")
    try:
        return PublishedEvent(
            id=headers["ce_id"],
            type=headers["ce_type"],
            schema_version=int(headers["ce_schemaversion"]),
            merchant_id=_kept(_KEPT_ID, headers["ce_merchantid"]),
            aggregate_id=_kept(_KEPT_ID, headers["ce_aggregateid"]),
            aggregate_version=int(_kept(_KEPT_VERSION, headers["ce_aggregateversion"])),
            occurred_at=_instant(headers["ce_time"]),
            actor=headers.get("ce_actor", ""),
            correlation_id=headers.get("ce_correlationid", ""),
            causation_id=headers.get("ce_causationid", ""),
            traceparent=headers.get("traceparent", ""),
            data=data,
        )
    except KeyError as missing:
        raise MalformedEventError(f"the header {missing} is missing") from missing
    except (ValueError, OverflowError) as error:
        raise MalformedEventError(f"a header does not hold what it should: {error}") from error


def _kept(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text[:50]!r} is not {pattern.pattern}")
    return text


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} is of no time zone")
    return instant.astimezone(UTC)


@cache
def _full_names(enum: EnumDescriptor) -> Mapping[int, str]:
    return {value.number: value.name for value in enum.values}


_encoders = MessageEncoders(_full_names)
_to_json = msgspec.json.Encoder().encode
