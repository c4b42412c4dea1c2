from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.commands.receive_webhook import MOST_TELLING
from payflow.domain.endpoint import Endpoint
from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.ids import SLOT_BITS, command_id, derive_id, slot_of
from payflow.domain.webhook import ID_PREFIX, Webhook, WebhookState, intent_of, is_nobodys, is_psp_key
from payflow.psp.connector import Rejection
from payflow.wire.webhooks import CONTENT_CHARACTERS_MAX, webhook_message
from server.gateway.in_flight import InFlight
from server.gateway.webhook_endpoint import WEBHOOK_PATH, _merchant_id, _signing_headers

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WEBHOOK = Webhook(
    id="wh_1",
    merchant_id="shop",
    intent_id="pi_1",
    endpoint=Endpoint("acme", "SHOP"),
    event_id="event-1",
    psp_account_id="acme-main",
    reference="pi_1-1",
    content=b"",
    received_at=NOW,
    correlation_id="correlation",
    traceparent="",
    state=WebhookState.PENDING,
    tries=1,
    due_at=NOW,
    detail="",
    settled_at=None,
)


@given(st.binary(min_size=10, max_size=10), st.integers(0, 2**SLOT_BITS - 1), st.integers(1, 99))
def test_a_reference_alone_finds_the_payment_and_its_merchant(entropy: bytes, slot: int, number: int) -> None:
    intent_id = derive_id("pi", command_id(NOW, entropy), slot)
    assert intent_of(f"{intent_id}-{number}") == intent_id
    assert slot_of(intent_id) == slot
    assert is_psp_key(f"{intent_id}-{number}")
    assert not any(map(is_psp_key, (intent_id, f"{intent_id}-", f"{intent_id}-{number}a", f"{intent_id}-²")))


@given(st.text())
def test_any_other_reference_finds_none(reference: str) -> None:
    assert slot_of(intent_of(reference)) is None
    assert not is_psp_key(reference)


@given(st.binary(min_size=10, max_size=10), st.integers(0, 2**SLOT_BITS - 1), st.integers(0, 999))
def test_an_events_id_tells_whether_it_is_anybodys(entropy: bytes, slot: int, position: int) -> None:
    command = command_id(NOW, entropy)
    owned = derive_id(ID_PREFIX, command, slot, position)
    nobodys = derive_id(ID_PREFIX, command, None, position)
    assert (is_nobodys(nobodys), slot_of(nobodys)) == (True, None)
    assert (is_nobodys(owned), slot_of(owned)) == (False, slot)
    assert owned.startswith(nobodys)


def test_each_reason_to_turn_a_webhook_away_has_its_place() -> None:
    assert sorted(MOST_TELLING) == sorted(Rejection)


@pytest.mark.parametrize(
    "name",
    [
        "stripe-signature",
        "hmacsignature",
        "authorization",
        "paypal-transmission-id",
        "webhook-timestamp",
        "signature-input",
        "content-type",
        "content-digest",
        "date",
        "host",
        "x-hub-signature-256",
    ],
)
def test_headers_that_a_signature_may_need_are_handed_on(name: str) -> None:
    assert _signing_headers({name: ["t=1", "v1=a"]}) == {name: "t=1, v1=a"}


@pytest.mark.parametrize(
    "name", ["cookie", "connection", "content-length", "x-forwarded-for", "accept-encoding", "sec-fetch-mode"]
)
def test_headers_of_the_connection_and_of_browsers_are_not(name: str) -> None:
    assert _signing_headers({name: ["1"]}) == {}


def test_a_webhooks_address_names_one_account_and_perhaps_its_merchant() -> None:
    assert WEBHOOK_PATH.fullmatch("/webhooks/acme-main")
    assert not any(
        map(WEBHOOK_PATH.fullmatch, ("/webhooks/", "/webhooks/a/b", "/v1/webhooks/a", "/webhooks"))
    )
    assert (_merchant_id(b""), _merchant_id(b"merchant_id=shop%2E1")) == ("", "shop.1")
    for query in (b"merchant_id=a&merchant_id=a", b"merchant=a", b"merchant_id=%ff"):
        with pytest.raises(PayFlowError):
            _merchant_id(query)


def test_calls_in_flight_are_bounded_until_they_end() -> None:
    in_flight = InFlight(2)
    for _ in range(3):
        with in_flight.one(), in_flight.one(), pytest.raises(PayFlowError) as refused:
            in_flight.one().__enter__()
        assert (refused.value.reason, refused.value.retry_after_s) == (Reason.OVERLOADED, 1)


def test_content_is_shown_as_text_within_bounds() -> None:
    shown = webhook_message(replace(WEBHOOK, content=b"a\xff" + b"b" * 2 * CONTENT_CHARACTERS_MAX))
    assert shown.content == "a\ufffd" + "b" * (CONTENT_CHARACTERS_MAX - 2)


def test_only_what_is_pending_is_due() -> None:
    assert webhook_message(WEBHOOK).HasField("due_at")
    settled = webhook_message(replace(WEBHOOK, state=WebhookState.PARKED, settled_at=NOW))
    assert (settled.HasField("due_at"), settled.HasField("settled_at")) == (False, True)
