"""When a webhook is sent again, and who signs for it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from payflow.domain.errors import PayFlowError
from payflow.domain.ids import derive_id, slot_of
from payflow.domain.merchant_webhooks import catalogue, signing
from payflow.domain.merchant_webhooks.delivery import (
    GIVEN_UP_AFTER,
    Answer,
    TakenDelivery,
    delivery_id,
    ids_from,
    put_off,
)
from payflow.domain.merchant_webhooks.state import EndpointStatus, WebhookEndpoint
from payflow.wire.events import BY_NAME
from tests.core import START

ENDPOINT = derive_id("we", "0" * 26, 7)
TAKEN = TakenDelivery("whd", "m", ENDPOINT, "pi", "type", b"", 1, START, START, 0, None)
REFUSED = Answer(500)


def test_tries_go_on_for_three_days_and_get_rarer() -> None:
    now, tries, pauses, jitter = START, 1, [], random.Random(7)
    while (following := put_off(replace(TAKEN, tries=tries), REFUSED, now, jitter)).due_at:
        pauses.append(following.due_at - now)
        now, tries = following.due_at, tries + 1
    assert now == START + GIVEN_UP_AFTER
    assert max(pauses) <= timedelta(hours=4)
    assert sum(pauses[:5], timedelta()) < timedelta(minutes=6)
    assert 20 < len(pauses) < 100


def test_what_is_asked_for_again_has_its_three_days_again() -> None:
    later = START + 2 * GIVEN_UP_AFTER
    assert put_off(TAKEN, REFUSED, later, random.Random(1)).due_at is None
    assert put_off(replace(TAKEN, begun_at=later), REFUSED, later, random.Random(1)).due_at is not None


def test_an_endpoint_that_is_gone_is_not_tried_again() -> None:
    assert put_off(TAKEN, Answer(410), START, random.Random(1)).due_at is None


@pytest.mark.parametrize(
    ("status", "header", "least"),
    [
        (429, "600", timedelta(minutes=10)),
        (503, "600", timedelta(minutes=10)),
        (503, format_datetime(START + timedelta(minutes=20), usegmt=True), timedelta(minutes=20)),
        (503, "999999999999999999999999", timedelta(hours=1)),
        (503, "-5", timedelta()),
        (503, "soon", timedelta()),
        (503, format_datetime(START - timedelta(days=1), usegmt=True), timedelta()),
        (500, "600", timedelta()),
    ],
)
def test_retry_after_counts_within_bounds(status: int, header: str, least: timedelta) -> None:
    following = put_off(TAKEN, Answer(status, "", header), START, random.Random(1))
    assert following.due_at is not None
    for until in (following.due_at, following.rests_until):
        assert least <= until - START <= max(least, timedelta(minutes=1))


@given(st.text(max_size=40))
def test_any_retry_after_is_survived(header: str) -> None:
    following = put_off(TAKEN, Answer(503, "", header), START, random.Random(1))
    assert following.due_at is not None and following.due_at - START <= timedelta(hours=1)


@given(st.binary(min_size=32, max_size=32), st.text(max_size=200))
def test_the_reference_signs_the_same(master_key: bytes, text: str) -> None:
    headers = signing.headers(master_key, ENDPOINT, (2, 1), "whd_1", START, text.encode())
    secrets = [signing.secret(master_key, ENDPOINT, generation) for generation in (2, 1)]
    signed = [Webhook(secret).sign("whd_1", START, text) for secret in secrets]
    assert headers["webhook-signature"].split(" ") == signed
    assert headers["webhook-timestamp"] == str(int(START.timestamp()))


def test_secrets_differ_by_endpoint_generation_and_installation() -> None:
    derived = {
        signing.secret(key, endpoint, generation)
        for key in (b"a", b"b")
        for endpoint in ("we_1", "we_2")
        for generation in (1, 2, 3)
    }
    assert len(derived) == 12


def test_the_secret_before_signs_until_a_day_has_passed() -> None:
    endpoint = WebhookEndpoint(
        ENDPOINT,
        "m",
        "https://x.example",
        "",
        ("*",),
        EndpointStatus.ENABLED,
        None,
        3,
        START,
        4,
        START,
        START,
    )
    day = timedelta(days=1)
    assert endpoint.signing_generations(START + day - timedelta(seconds=1)) == (3, 2)
    assert endpoint.signing_generations(START + day) == (3,)
    assert replace(endpoint, secret_generation=1, secret_rotated_at=None).signing_generations(START) == (1,)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)), st.integers(1, 10**9)
)
def test_ids_of_deliveries_sort_by_their_events_time(at: datetime, number: int) -> None:
    identifier = delivery_id(f"pi_{number}:1", at, ENDPOINT)
    assert identifier == delivery_id(f"pi_{number}:1", at, ENDPOINT)
    assert identifier != delivery_id(f"pi_{number}:2", at, ENDPOINT)
    assert slot_of(identifier) == slot_of(ENDPOINT)
    assert ids_from(at) <= identifier < ids_from(at + timedelta(milliseconds=1))


def test_every_type_that_is_sent_is_an_events() -> None:
    assert {*catalogue.SENT, catalogue.TEST} <= BY_NAME.keys()


def test_patterns_stand_for_the_types_of_their_object() -> None:
    assert catalogue.event_types([]) == ("*",)
    assert catalogue.event_types(["refund.*", "refund.*"]) == ("refund.*",)
    assert catalogue.matches(("refund.*",), "refund.failed")
    assert catalogue.matches(("payment_intent.created", "refund.failed"), "refund.failed")
    assert not catalogue.matches(("refund.*",), "payment_intent.created")
    for bad in ("refund.fail*", "attempt.*", "*.*", "", "routing.rules_set"):
        with pytest.raises(PayFlowError, match=r"event_types\[1\]: must be one of"):
            catalogue.event_types(["*", bad])
