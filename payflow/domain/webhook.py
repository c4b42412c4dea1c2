"""What a PSP's verified webhooks say, as it waits in the inbox until it is applied."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from payflow.domain.endpoint import Endpoint
from payflow.domain.ids import ALPHABET, UUID_CHARACTERS, slot_of

ID_PREFIX = "wh"
NOBODY = ""
"""The merchant of an event that names no payment of ours."""

BODY_BYTES_MAX = 262_144
HEADERS_MAX = 64
HEADER_BYTES_MAX = 16_384
EVENTS_MAX = 1_000
EVENT_ID_MAX = 255

# Of which most are up to an hour apart: given up after half a day to a day.
TRIES_MAX = 40
KEPT_FOR = timedelta(days=30)

_NOBODYS_ID = re.compile(f"{ID_PREFIX}_[{ALPHABET}]{{{UUID_CHARACTERS}}}")


class WebhookState(StrEnum):
    """Where an event of the inbox stands."""

    PENDING = "PENDING"
    APPLIED = "APPLIED"
    IGNORED = "IGNORED"
    PARKED = "PARKED"
    DISCARDED = "DISCARDED"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the events of one delivery share; ``psp_account_id`` is the one that its address named."""

    endpoint: Endpoint
    psp_account_id: str
    received_at: datetime
    correlation_id: str
    traceparent: str


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event of a delivery, at ``position`` in it.

    ``merchant_id`` and ``intent_id`` are empty where ``reference`` names no payment of ours.
    """

    id: str
    merchant_id: str
    intent_id: str
    event_id: str
    reference: str
    content: bytes
    position: int


@dataclass(frozen=True, slots=True)
class Webhook:
    """An event in the inbox.

    ``tries`` counts how often it was begun. ``due_at`` is when it is begun next, or, while somebody is at it,
    when their lease ends. ``detail`` says why it is parked, waits or was discarded. Lists leave ``content``
    empty.
    """

    id: str
    merchant_id: str
    intent_id: str
    endpoint: Endpoint
    event_id: str
    psp_account_id: str
    reference: str
    content: bytes
    received_at: datetime
    correlation_id: str
    traceparent: str
    state: WebhookState
    tries: int
    due_at: datetime
    detail: str
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a try ended; PENDING asks for another one at ``due_at``.

    ``yields`` lets what came behind it pass until then, because it may be what this one waits for.
    """

    state: WebhookState
    detail: str = ""
    due_at: datetime | None = None
    yields: bool = False


@dataclass(frozen=True, slots=True)
class WebhookFilter:
    """Which events a list is of; empty takes all."""

    merchant_id: str = ""
    state: WebhookState | None = None
    psp_account_id: str = ""


def intent_of(reference: str) -> str:
    """The id of the payment intent that a ``psp_key`` belongs to."""
    return reference.rpartition("-")[0]


def is_psp_key(reference: str) -> bool:
    """Whether a reference has the form of a ``psp_key``: the id of a payment intent and a number."""
    intent_id, _, number = reference.rpartition("-")
    return slot_of(intent_id) is not None and number.isascii() and number.isdigit()


def is_nobodys(webhook_id: str) -> bool:
    """Whether an id is that of an event that names no payment of ours: it ends in no merchant's slot."""
    return _NOBODYS_ID.fullmatch(webhook_id) is not None
