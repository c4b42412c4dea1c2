"""Every event type and its protobuf message have the same fields, and survive the way there and back."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payflow.domain.dead_letter_events import DeadLetterEvent
from payflow.domain.intent import events as intent_events
from payflow.domain.ledger.events import LedgerEvent
from payflow.domain.ledger.transaction import BookedTransaction
from payflow.domain.merchant.events import MerchantEvent
from payflow.domain.routing.events import RoutingEvent
from payflow.domain.stored_event import StoredEvent
from payflow.v1 import events_pb2
from payflow.wire.events import (
    BY_DOMAIN,
    BY_NAME,
    EventType,
    event_name,
    from_payload,
    schema_version,
    to_envelope,
    to_payload,
)
from payflow.wire.upcasting import UPCASTING
from tests.core import START
from tests.example_events import without_none

EVENT_TYPES: list[Any] = [
    *intent_events.IntentEvent.__args__,
    *MerchantEvent.__args__,
    *LedgerEvent.__args__,
    *RoutingEvent.__args__,
    *DeadLetterEvent.__args__,
]

INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
SMALL = st.integers(-(2**31), 2**31 - 1)


def assert_same_fields(domain: Any, descriptor: Any) -> int:
    hints = get_type_hints(domain)
    assert {field.name for field in fields(domain)} == set(descriptor.fields_by_name), descriptor.full_name
    compared = len(hints)
    for name, hint in hints.items():
        kept = without_none(hint)
        nested = get_args(kept)[0] if get_origin(kept) is tuple else kept
        if is_dataclass(nested):
            compared += assert_same_fields(nested, descriptor.fields_by_name[name].message_type)
    return compared


@pytest.mark.parametrize("domain", EVENT_TYPES, ids=lambda one: one.__name__)
def test_event_and_message_have_the_same_fields(domain: Any) -> None:
    assert assert_same_fields(domain, BY_DOMAIN[domain].message.DESCRIPTOR) > 0


def test_every_message_of_the_envelope_has_its_event() -> None:
    data: Any = events_pb2.Event.DESCRIPTOR.oneofs_by_name["data"]
    expected = {(field.name, field.message_type.full_name) for field in data.fields}
    assert {(one.envelope_field, one.message.DESCRIPTOR.full_name) for one in BY_DOMAIN.values()} == expected
    assert len(BY_NAME) == len(BY_DOMAIN) == len(EVENT_TYPES) == len(expected)


def test_names_are_aggregate_and_verb() -> None:
    assert sorted(BY_NAME) == [
        "account.opened",
        "attempt.accepted",
        "attempt.outcome_unknown",
        "attempt.parked",
        "attempt.resumed",
        "attempt.strayed",
        "attempt.undone",
        "dead_letter.discarded",
        "dead_letter.retried",
        "experiment.started",
        "experiment.stopped",
        "merchant.created",
        "merchant.updated",
        "payment_intent.action_required",
        "payment_intent.authorized",
        "payment_intent.canceled",
        "payment_intent.capture_reversed",
        "payment_intent.captured",
        "payment_intent.created",
        "payment_intent.failed",
        "payment_intent.failed_over",
        "payment_intent.operation_aborted",
        "payment_intent.operation_started",
        "payment_intent.routed",
        "psp_account.created",
        "psp_account.updated",
        "refund.created",
        "refund.failed",
        "refund.reversed",
        "refund.succeeded",
        "routing.rules_set",
        "transaction.held",
        "transaction.posted",
        "transaction.resolved",
    ]


def values(hint: Any, descriptor: Any) -> st.SearchStrategy[Any]:
    """Anything that a field of this type may hold."""
    kept = without_none(hint)
    found = _plain(kept, descriptor)
    return st.none() | found if type(None) in get_args(hint) else found


def _plain(kept: Any, descriptor: Any) -> st.SearchStrategy[Any]:
    if get_origin(kept) is tuple:
        return st.lists(_plain(get_args(kept)[0], descriptor), max_size=3).map(tuple)
    if is_dataclass(kept):
        return instances(kept, descriptor.message_type)
    if isinstance(kept, type) and issubclass(kept, StrEnum):
        return st.sampled_from(kept)
    if kept is int:
        wide = descriptor.type == descriptor.TYPE_INT64
        return st.integers(-(2**63), 2**63 - 1) if wide else SMALL
    return {datetime: INSTANTS, str: st.text(max_size=9), bytes: st.binary(max_size=9), bool: st.booleans()}[
        kept
    ]


def instances(domain: Any, descriptor: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(domain)
    return st.builds(
        domain, **{name: values(hint, descriptor.fields_by_name[name]) for name, hint in hints.items()}
    )


EVENTS = st.one_of([instances(one.domain, one.message.DESCRIPTOR) for one in BY_DOMAIN.values()])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(EVENTS)
def test_there_and_back(event: Any) -> None:
    payload = to_payload(event)
    again = from_payload(event_name(event), schema_version(event), payload)
    assert again == event
    assert again is not None and to_payload(again) == payload


@pytest.mark.parametrize("known", BY_DOMAIN.values(), ids=lambda one: one.name)
def test_envelope_carries_the_event_under_its_name(known: EventType) -> None:
    stored = StoredEvent(
        "shop",
        "pi_1",
        7,
        known.name,
        UPCASTING.newest(known.name),
        b"",
        START,
        "caller",
        "c",
        "cause",
        "trace",
    )
    envelope = to_envelope(stored)
    assert envelope.WhichOneof("data") == known.envelope_field
    assert (envelope.id, envelope.type, envelope.aggregate_version) == ("pi_1:7", known.name, 7)
    assert envelope.occurred_at.ToDatetime(UTC) == START


def test_unknown_types_are_skipped() -> None:
    assert from_payload("payment_intent.teleported", 1, b"\x0a\x01x") is None
    stored = StoredEvent("shop", "pi_1", 7, "payment_intent.teleported", 9, b"\x0a", START, "a", "c", "d", "")
    assert to_envelope(stored).WhichOneof("data") is None


def test_transaction_of_an_event_is_booked() -> None:
    assert (
        without_none(get_type_hints(intent_events.PaymentIntentCaptured)["transaction"]) is BookedTransaction
    )
