"""An event on its way to an endpoint: until it is accepted, or given up."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

from payflow.domain.backoff import Backoff
from payflow.domain.ids import TIME_CHARACTERS, command_id, derive_id, slot_of
from payflow.domain.merchant_webhooks.state import WebhookEndpoint

ID_PREFIX = "whd"
GIVEN_UP_AFTER = timedelta(days=3)
KEPT_FOR = timedelta(days=30)
RETRY_AFTER_MAX = timedelta(hours=1)

_AGAIN = Backoff(first_s=10.0, most_s=4 * 3_600.0)
# An endpoint that takes nothing is left alone meanwhile, so that what waits for it is tried one by one.
_REST = Backoff(first_s=2.0, most_s=300.0)

GONE = 410
PUTS_OFF = (429, 503)


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """One that is FAILED from the start was not sent because its endpoint was disabled."""

    id: str
    merchant_id: str
    endpoint_id: str
    event_id: str
    type: str
    object_id: str
    sequence: int
    body: bytes
    occurred_at: datetime
    state: DeliveryState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """What is known of a delivery. ``tries`` counts since it was last asked for.

    ``due_at`` is when it is sent next, or, while somebody is at it, when their lease ends.
    """

    id: str
    merchant_id: str
    endpoint_id: str
    event_id: str
    type: str
    object_id: str
    sequence: int
    state: DeliveryState
    tries: int
    due_at: datetime
    response_status: int | None
    detail: str
    occurred_at: datetime
    tried_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class TakenDelivery:
    """A delivery that is this worker's until ``leased_until``; its number of ``tries`` is its fence.

    ``begun_at`` is when it was last asked for. ``failures`` counts what the ``endpoint``, None where it was
    removed, has refused in a row.
    """

    id: str
    merchant_id: str
    endpoint_id: str
    object_id: str
    type: str
    body: bytes
    tries: int
    begun_at: datetime
    leased_until: datetime
    failures: int
    endpoint: WebhookEndpoint | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered; without a ``status`` it did not, and ``detail`` says why."""

    status: int | None
    detail: str = ""
    retry_after: str = ""

    @property
    def is_acceptance(self) -> bool:
        """Whether it has taken the event in."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class PutOff:
    """What a refused try leads to: the next one, None where it is given up, and a rest for the endpoint."""

    due_at: datetime | None
    rests_until: datetime


def delivery_id(event_id: str, occurred_at: datetime, endpoint_id: str) -> str:
    """Follows from event and endpoint. It sorts by the event's time and ends in the merchant's slot."""
    digest = hashlib.sha256(f"{event_id}|{endpoint_id}".encode()).digest()
    return derive_id(ID_PREFIX, command_id(occurred_at, digest), slot_of(endpoint_id))


def ids_from(since: datetime) -> str:
    """Sorts before the id of every delivery of an event from ``since`` on, to the millisecond."""
    return f"{ID_PREFIX}_{command_id(since, bytes(10))[:TIME_CHARACTERS]}"


def put_off(taken: TakenDelivery, answer: Answer, now: datetime, jitter: random.Random) -> PutOff:
    """Tries get rarer, up to every four hours; the last one is GIVEN_UP_AFTER the first, or 410 Gone."""
    asked = _retry_after(answer, now)
    rest = max(asked, timedelta(seconds=_REST.pause_s(taken.failures, jitter)))
    last_at = taken.begun_at + GIVEN_UP_AFTER
    if answer.status == GONE or now >= last_at:
        return PutOff(None, now + rest)
    pause = max(asked, timedelta(seconds=_AGAIN.pause_s(taken.tries - 1, jitter)))
    return PutOff(min(now + pause, last_at), now + rest)


def _retry_after(answer: Answer, now: datetime) -> timedelta:
    """For how long, within bounds, an endpoint asks not to be called (RFC 9110, 10.2.3)."""
    if answer.status not in PUTS_OFF or not answer.retry_after:
        return timedelta()
    try:
        if answer.retry_after.isascii() and answer.retry_after.isdigit():
            asked = timedelta(seconds=min(int(answer.retry_after), RETRY_AFTER_MAX.total_seconds()))
        else:
            asked = parsedate_to_datetime(answer.retry_after) - now
    except (ValueError, TypeError, OverflowError):
        return timedelta()
    return min(max(asked, timedelta()), RETRY_AFTER_MAX)
