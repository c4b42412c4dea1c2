"""The simulator's webhooks: what is queued for an event, and what its connector believes of one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.psp.connector import Delivery, Rejection, SignedItem, WebhookRejectedError
from payflow.psp.simulator.announcements import Planned, lie, planned
from payflow.psp.simulator.behaviour import Webhooks
from payflow.psp.simulator.chance import Chance
from payflow.psp.simulator.connector import SimulatorConnector, connect
from payflow.psp.simulator.deliveries import Kind
from payflow.psp.simulator.requests import Operation
from payflow.psp.simulator.webhooks import (
    BODY_BYTES_MAX,
    TOLERANCE_S,
    Event,
    EventType,
    signature,
    verified_event,
)
from server.connectors import ConnectorSettings

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
SECRET = "whsec"
EVENT = Event(
    "evt_1", EventType.CAPTURED, NOW, "acc", "m", "pi-1", Operation.CAPTURE, "sim_pay_1", 1000, "USD"
)
BODY = msgspec.json.encode(EVENT)


def delivery(
    body: bytes = BODY, signed: bytes | None = None, at_s: int = NOW_S, by: str = SECRET
) -> Delivery:
    return Delivery({"simulator-signature": signature(by, at_s, body if signed is None else signed)}, body)


def rejection(arrived: Delivery, now: datetime = NOW) -> Rejection:
    with pytest.raises(WebhookRejectedError) as rejected:
        verified_event(arrived, SECRET, now)
    return rejected.value.rejection


def test_a_signature_is_an_hmac_of_the_time_and_the_bytes() -> None:
    # openssl: printf '1893456000.{}' | openssl dgst -sha256 -hmac whsec
    expected = "e46ae8a4ac5d49f0392b9e5e2905d28f3cb454f263e1800d90a2b8ab3ba5f882"
    assert signature(SECRET, NOW_S, b"{}") == f"t=1893456000,v1={expected}"


def test_what_was_signed_is_believed() -> None:
    assert verified_event(delivery(), SECRET, NOW) == EVENT


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        (Delivery({}, BODY), Rejection.SIGNATURE_MISSING),
        (Delivery({"simulator-signature": ""}, BODY), Rejection.SIGNATURE_WRONG),
        (Delivery({"simulator-signature": f"t={NOW_S}"}, BODY), Rejection.SIGNATURE_WRONG),
        (Delivery({"simulator-signature": f"t={NOW_S},v1={'é' * 64}"}, BODY), Rejection.SIGNATURE_WRONG),
        (Delivery({"simulator-signature": f"t=0{NOW_S},v1={'0' * 64}"}, BODY), Rejection.SIGNATURE_WRONG),
        (delivery(by="another"), Rejection.SIGNATURE_WRONG),
        (delivery(BODY.replace(b"1000", b"9000"), signed=BODY), Rejection.SIGNATURE_WRONG),
        (delivery(b"{}"), Rejection.MALFORMED),
        (delivery(b"\xff"), Rejection.MALFORMED),
        (delivery(BODY.replace(b'"USD"', b'"usd"')), Rejection.MALFORMED),
        (delivery(b" " * BODY_BYTES_MAX + BODY), Rejection.MALFORMED),
    ],
)
def test_what_is_not_to_be_believed_says_why(arrived: Delivery, expected: Rejection) -> None:
    assert rejection(arrived) is expected


def test_the_time_that_it_was_signed_at_may_differ_by_the_tolerance_and_not_by_more() -> None:
    tolerance, instant = timedelta(seconds=TOLERANCE_S), timedelta(microseconds=1)
    for now in (NOW + tolerance, NOW - tolerance):
        assert verified_event(delivery(), SECRET, now) == EVENT
    assert rejection(delivery(), NOW + tolerance + instant) is Rejection.TOO_OLD
    assert rejection(delivery(), NOW - tolerance - instant) is Rejection.IN_THE_FUTURE


@given(st.binary(max_size=300), st.text(max_size=120))
def test_nothing_else_is_raised_whatever_arrives(body: bytes, header: str) -> None:
    with pytest.raises(WebhookRejectedError):
        verified_event(Delivery({"simulator-signature": header}, body), SECRET, NOW)
    with pytest.raises(WebhookRejectedError):
        verified_event(delivery(body), SECRET, NOW)


def test_each_simulator_has_a_secret_of_its_own_or_the_first_ones() -> None:
    environment = {"SIMULATOR_WEBHOOK_SECRET": SECRET, "B_SIMULATOR_WEBHOOK_SECRET": "of b"}
    connector = connect(ConnectorSettings(environment))
    item = SignedItem("evt_1", "pi-1", BODY)
    assert connector.receive(delivery(), "", NOW) == (item,)
    assert connector.receive(delivery(), "C", NOW) == (item,)
    assert connector.receive(delivery(by="of b"), "B", NOW) == (item,)
    with pytest.raises(WebhookRejectedError, match="signature_wrong"):
        connector.receive(delivery(), "B", NOW)


def test_without_a_secret_nothing_is_believed() -> None:
    connector = SimulatorConnector(lambda _: "http://127.0.0.1:1", 1, 60)
    with pytest.raises(WebhookRejectedError, match="not_configured"):
        connector.receive(delivery(), "", NOW)


CHANCE = Chance(1, "pi-1", 1)


@pytest.mark.parametrize(
    ("webhooks", "deliveries"),
    [
        (Webhooks(), [Planned(Kind.TRUE)]),
        (Webhooks(dropped=1, duplicated=1), [Planned(Kind.DROPPED)]),
        (Webhooks(duplicated=1), [Planned(Kind.TRUE), Planned(Kind.TRUE)]),
        (Webhooks(reordered=1, delay_s=3), [Planned(Kind.TRUE, 3, held=True)]),
        (
            Webhooks(delayed=1, delay_s=3),
            [Planned(Kind.TRUE, 3 * CHANCE.share("delayed by"))],
        ),
        (
            Webhooks(forged=1, altered=1, stale=1, future=1),
            [Planned(kind) for kind in (Kind.TRUE, Kind.FORGED, Kind.ALTERED, Kind.STALE, Kind.FUTURE)],
        ),
    ],
)
def test_chance_plans_the_deliveries_of_an_event(webhooks: Webhooks, deliveries: list[Planned]) -> None:
    assert planned(EventType.CAPTURED, webhooks, CHANCE) == deliveries


@pytest.mark.parametrize("told_as", EventType)
def test_what_nobody_would_ask_about_is_not_dropped(told_as: EventType) -> None:
    asked_about = {"authorized", "declined", "captured", "canceled", "refunded"}
    [delivery] = planned(told_as, Webhooks(dropped=1), CHANCE)
    assert (delivery.kind is Kind.DROPPED) is (told_as in asked_about)


@pytest.mark.parametrize("told", EventType)
def test_a_lie_says_something_else_than_what_happened(told: EventType) -> None:
    event = msgspec.structs.replace(EVENT, type=told)
    assert lie(event).amount != event.amount
    assert msgspec.convert(msgspec.to_builtins(lie(event)), Event) == lie(event)
