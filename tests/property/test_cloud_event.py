"""Every event survives the wire, and Google's own reader of protobuf JSON reads what was written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from payflow.domain.stored_event import StoredEvent
from payflow.events.cloud_event import (
    MalformedEventError,
    UnpublishableError,
    from_wire,
    headers_of,
    to_published,
)
from payflow.v1 import events_pb2
from payflow.wire.events import BY_NAME, EventType
from payflow.wire.upcasting import UPCASTING
from tests.core import START
from tests.golden_events import golden
from tests.random_messages import messages

STORED = StoredEvent(
    merchant_id="shop",
    aggregate_id="pi_1",
    aggregate_version=7,
    type="payment_intent.captured",
    schema_version=2,
    payload=b"",
    occurred_at=START,
    actor="anonymous",
    correlation_id="request-1",
    causation_id="cmd_1",
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
NUMBERS = st.integers(1, 10**18 - 1)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)


@pytest.mark.parametrize("known", BY_NAME.values(), ids=lambda known: known.name)
@settings(max_examples=10)
@given(data=st.data())
def test_data_are_json_that_protobuf_reads_back(known: EventType, data: st.DataObject) -> None:
    descriptor: Any = known.message.DESCRIPTOR
    message = data.draw(messages(descriptor))
    version = UPCASTING.newest(known.name)
    stored = replace(STORED, type=known.name, schema_version=version, payload=message.SerializeToString())
    published = to_published(stored)
    assert json_format.Parse(published.data, known.message()) == message


@given(
    stored=st.builds(
        StoredEvent,
        merchant_id=NAMES,
        aggregate_id=NAMES,
        aggregate_version=NUMBERS,
        type=st.sampled_from(sorted(BY_NAME)),
        schema_version=st.just(0),
        payload=st.just(b""),
        occurred_at=INSTANTS,
        actor=TEXTS,
        correlation_id=TEXTS,
        causation_id=TEXTS,
        traceparent=TEXTS,
    )
)
def test_an_event_survives_the_wire(stored: StoredEvent) -> None:
    published = to_published(replace(stored, schema_version=UPCASTING.newest(stored.type)))
    assert from_wire(headers_of(published), published.data) == published


def test_headers_are_those_of_a_cloud_event() -> None:
    at = datetime(2026, 7, 1, 14, 0, 0, 250_000, timezone(timedelta(hours=2)))
    headers = headers_of(to_published(replace(STORED, occurred_at=at)))
    assert headers == {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_id": "pi_1:7",
        "ce_source": "/payflow/merchants/shop",
        "ce_type": "payment_intent.captured",
        "ce_time": "2026-07-01T12:00:00.250000Z",
        "ce_subject": "pi_1",
        "ce_merchantid": "shop",
        "ce_aggregateid": "pi_1",
        "ce_aggregateversion": "7",
        "ce_schemaversion": "2",
        "ce_actor": "anonymous",
        "ce_correlationid": "request-1",
        "ce_causationid": "cmd_1",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "correlation-id": "request-1",
    }


def test_data_have_snake_case_names_numbers_and_full_names_of_enums() -> None:
    resolved = events_pb2.TransactionPosted()
    resolved.transaction.entries.add(account_id="cash", amount=2**53 + 1, layer=1)
    payload = resolved.SerializeToString()
    published = to_published(replace(STORED, type="transaction.posted", schema_version=1, payload=payload))
    assert b'"account_id":"cash"' in published.data
    assert b'"amount":9007199254740993,' in published.data
    assert b'"layer":"LAYER_POSTED"' in published.data


def test_what_is_empty_has_no_header() -> None:
    assert "traceparent" not in headers_of(to_published(replace(STORED, traceparent="")))


def test_an_older_event_is_published_in_the_newest_layout() -> None:
    name = "payment_intent.captured"
    of_version = {version: replace(STORED, payload=golden()[name, version]) for version in (1, 2)}
    published = to_published(replace(of_version[1], schema_version=1))
    assert published == to_published(of_version[2])
    assert b'"currency":"USD","psp_account_id":"main"' in published.data


@pytest.mark.parametrize(
    "spoilt", [{"type": "dispute.opened"}, {"payload": b"\xff"}, {"schema_version": 3}, {"schema_version": 1}]
)
def test_what_makes_no_sense_is_not_published(spoilt: dict[str, Any]) -> None:
    with pytest.raises(UnpublishableError):
        to_published(replace(STORED, **spoilt))


@pytest.mark.parametrize(
    "spoilt",
    [
        {"ce_specversion": "0.3"},
        {"content-type": "application/protobuf"},
        {"ce_aggregateversion": "seven"},
        {"ce_aggregateversion": "0"},
        {"ce_aggregateversion": "9" * 19},
        {"ce_aggregateid": "pi_1\n"},
        {"ce_merchantid": "shop" * 1_000},
        {"ce_actor": "a\0b"},
        {"ce_time": "yesterday"},
        {"ce_time": "2026-07-01T12:00:00"},
        {"ce_time": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_foreign_messages_are_told_from_events(spoilt: dict[str, str]) -> None:
    with pytest.raises(MalformedEventError):
        from_wire(headers_of(to_published(STORED)) | spoilt, b"{}")


@pytest.mark.parametrize("missing", ["ce_specversion", "ce_id", "ce_aggregateid", "ce_time", "content-type"])
def test_a_message_without_the_headers_is_no_event(missing: str) -> None:
    headers = headers_of(to_published(STORED))
    del headers[missing]
    with pytest.raises(MalformedEventError):
        from_wire(headers, b"{}")
