"""Takes a webhook in: finds whose it is, has it verified, and keeps its events for the worker.

Why a webhook is turned away is told to the log and to nobody else: whoever forges one learns nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from payflow.commands import webhook_metrics
from payflow.commands.call import ENTROPY_BYTES
from payflow.commands.ports import Ports
from payflow.domain import ids
from payflow.domain.endpoint import Endpoint
from payflow.domain.errors import PayFlowError, Reason, invalid_field, not_found
from payflow.domain.psp_outcome import clean
from payflow.domain.webhook import (
    BODY_BYTES_MAX,
    EVENT_ID_MAX,
    EVENTS_MAX,
    ID_PREFIX,
    NOBODY,
    Receipt,
    ReceivedEvent,
    intent_of,
)
from payflow.psp.connector import Delivery, Rejection, SignedItem, WebhookRejectedError

log = logging.getLogger(__name__)

ENDPOINTS_MAX = 20
LOGGED_MAX = 20

# Of several accounts that a webhook may have been sent to: what comes closest to being right says most.
MOST_TELLING = (
    Rejection.TOO_OLD,
    Rejection.IN_THE_FUTURE,
    Rejection.SIGNATURE_WRONG,
    Rejection.SIGNATURE_MISSING,
    Rejection.MALFORMED,
    Rejection.NOT_CONFIGURED,
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A webhook at the door, addressed to a PSP account; ``merchant_id`` may be empty.

    Names of ``headers`` are in lower case. ``deadline`` is in seconds of time.monotonic.
    """

    psp_account_id: str
    merchant_id: str
    headers: Mapping[str, str]
    body: bytes
    correlation_id: str
    traceparent: str
    deadline: float


@dataclass(frozen=True, slots=True)
class _Verified:
    """Events that ``endpoint`` vouches for, and the body that its PSP wants to hear."""

    endpoint: Endpoint
    items: Sequence[SignedItem]
    reply: str


def receive_webhook(ports: Ports, arrival: Arrival) -> str:
    """The body that the PSP wants to hear, once all events are kept.

    Raises NOT_FOUND for an account that is not there, LIMIT_REACHED where the merchant has to be named,
    UNAUTHENTICATED and VALIDATION_FAILED for what is not to be believed or read, and DATABASE_UNAVAILABLE.
    """
    now = ports.clock.now()
    verified = _verify(ports, arrival, _endpoints(ports, arrival), now)
    events = _events(ports, arrival, verified, now)
    receipt = Receipt(
        verified.endpoint, arrival.psp_account_id, now, arrival.correlation_id, arrival.traceparent
    )
    new = ports.inbox.add(receipt, events, arrival.deadline) if events else set()
    _tell(arrival, verified, new)
    return verified.reply


def _endpoints(ports: Ports, arrival: Arrival) -> Sequence[Endpoint]:
    account_id = arrival.psp_account_id
    found = ports.webhook_endpoints.of(account_id, arrival.merchant_id, ENDPOINTS_MAX + 1, arrival.deadline)
    if not found:
        raise _turned_away(arrival, "unknown_account", not_found("PSP account", account_id))
    if len(found) > ENDPOINTS_MAX:
        refusal = PayFlowError(
            Reason.LIMIT_REACHED,
            f"accounts of this id lead to more than {ENDPOINTS_MAX} places; name one merchant's in the "
            f"address, as in /webhooks/{account_id}?merchant_id=shop_1",
            subject=account_id,
        )
        raise _turned_away(arrival, "ambiguous_account", refusal)
    return found


def _verify(ports: Ports, arrival: Arrival, endpoints: Sequence[Endpoint], now: datetime) -> _Verified:
    """The first endpoint whose connector believes it."""
    delivery = Delivery(arrival.headers, arrival.body)
    rejections = []
    for endpoint in endpoints:
        try:
            connector = ports.connectors.get(endpoint.connector)
            if connector is None:
                raise WebhookRejectedError(
                    Rejection.NOT_CONFIGURED, f"no connector {endpoint.connector} here"
                )
            items = connector.receive(delivery, endpoint.credential_ref, now)
            return _Verified(endpoint, _within_bounds(items), connector.webhook_reply)
        except WebhookRejectedError as rejection:
            rejections.append(rejection)
    told = min(rejections, key=lambda one: MOST_TELLING.index(one.rejection))
    raise _turned_away(arrival, told.rejection, _refusal(told.rejection), told.detail)


def _within_bounds(items: Sequence[SignedItem]) -> Sequence[SignedItem]:
    if len(items) > EVENTS_MAX:
        raise WebhookRejectedError(Rejection.MALFORMED, f"more than {EVENTS_MAX} events")
    for item in items:
        if not (0 < len(item.event_id) <= EVENT_ID_MAX and item.event_id.isprintable()):
            raise WebhookRejectedError(
                Rejection.MALFORMED, f"an event's id is {item.event_id[:EVENT_ID_MAX]!r}"
            )
        if len(item.content) > BODY_BYTES_MAX:
            raise WebhookRejectedError(Rejection.MALFORMED, f"event {item.event_id} is too large")
    return items


def _refusal(rejection: Rejection) -> PayFlowError:
    if rejection is Rejection.MALFORMED:
        return invalid_field("body", "could not be read as a webhook")
    return PayFlowError(Reason.UNAUTHENTICATED, "the webhook could not be verified")


def _events(ports: Ports, arrival: Arrival, verified: _Verified, now: datetime) -> list[ReceivedEvent]:
    command_id = ids.command_id(now, ports.entropy(ENTROPY_BYTES))
    events = []
    for position, item in enumerate(verified.items):
        intent_id = intent_of(item.reference)
        slot = ids.slot_of(intent_id)
        owner = None if slot is None else _owner(ports, slot, verified.endpoint, arrival.deadline)
        event = ReceivedEvent(
            id=ids.derive_id(ID_PREFIX, command_id, slot if owner else None, position),
            merchant_id=owner or NOBODY,
            intent_id=intent_id if owner else "",
            event_id=item.event_id,
            reference=clean(item.reference),
            content=item.content,
            position=position,
        )
        events.append(event)
    return events


def _owner(ports: Ports, slot: int, endpoint: Endpoint, deadline: float) -> str | None:
    """The merchant of a payment, where ``endpoint`` is one of its own: nobody else's word is filed there."""
    merchant_id = ports.directory.merchant_id_of(slot, deadline)
    if merchant_id is None:
        return None
    # Read anew where it seems not to be: another process may have added it a moment ago.
    for find in (ports.directory.find, ports.directory.read):
        merchant = find(merchant_id, deadline)
        if merchant and any(one.endpoint == endpoint for one in merchant.psp_accounts.values()):
            return merchant_id
    return None


def _tell(arrival: Arrival, verified: _Verified, new: set[str]) -> None:
    connector = verified.endpoint.connector
    repeated = len(verified.items) - len(new)
    webhook_metrics.RECEIVED.labels(connector).inc(len(verified.items))
    webhook_metrics.DUPLICATES.labels(connector).inc(repeated)
    told = {
        "connector": connector,
        "event_ids": [item.event_id for item in verified.items[:LOGGED_MAX]],
        "events": len(verified.items),
        "repeated": repeated,
    }
    log.info("a webhook was received", extra=_where(arrival) | told)


def _turned_away(arrival: Arrival, reason: str, refusal: PayFlowError, detail: str = "") -> PayFlowError:
    webhook_metrics.REJECTED.labels(reason).inc()
    told = {"rejection": reason, "detail": clean(detail), "body_bytes": len(arrival.body)}
    log.warning("a webhook was turned away", extra=_where(arrival) | told)
    return refusal


def _where(arrival: Arrival) -> dict[str, object]:
    return {
        "psp_account_id": arrival.psp_account_id,
        "merchant_id": arrival.merchant_id,
        "correlation_id": arrival.correlation_id,
    }
