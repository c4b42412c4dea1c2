"""Tries to apply an event of the inbox to its payment, and says how that ended."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from payflow.commands.apply_notice import apply_notice
from payflow.commands.call import Call
from payflow.commands.ports import Ports
from payflow.domain.backoff import Backoff
from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding.submission import Origin
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import INTERPRETATION, Unknown, clean
from payflow.domain.webhook import TRIES_MAX, Settlement, Webhook, WebhookState
from payflow.psp.connector import Connector, PspSilentError

log = logging.getLogger(__name__)

ACTOR = "worker:webhooks"
BACKOFF = Backoff(first_s=5, most_s=3_600)
ERROR_TRIES_MAX = 3
TEMPORARY = ("UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")


def apply_webhook(ports: Ports, webhook: Webhook) -> Settlement:
    """Asks the connector what the event says and applies that; never raises.

    Applying an event twice changes nothing, so whoever died before settling it loses nothing.
    """
    if webhook.tries > TRIES_MAX:
        return Settlement(WebhookState.PARKED, f"begun {TRIES_MAX} times and never ended")
    try:
        return _apply(ports, webhook)
    except PspSilentError:
        return _again(ports, webhook, TRIES_MAX, "the PSP did not answer what the event does not say")
    except PayFlowError as error:
        if error.reason.code in TEMPORARY:
            # What the payment waits for may be told by an event that came later.
            yields = error.reason is Reason.CONCURRENT_UPDATE
            return replace(_again(ports, webhook, TRIES_MAX, str(error)), yields=yields)
        return Settlement(WebhookState.PARKED, clean(str(error)))
    except Exception as error:
        log.exception("an event of a webhook makes no sense", extra=_subject(webhook))
        # Its text may quote the event.
        return _again(ports, webhook, ERROR_TRIES_MAX, f"{type(error).__name__}; the log says more")


def _apply(ports: Ports, webhook: Webhook) -> Settlement:
    endpoint = webhook.endpoint
    connector = ports.connectors.get(endpoint.connector)
    if connector is None:
        return _again(ports, webhook, TRIES_MAX, f"no connector {endpoint.connector} here")
    notice = _interpreted(ports, connector, webhook)
    if notice is None:
        return Settlement(WebhookState.IGNORED)
    if not webhook.intent_id:
        return Settlement(WebhookState.PARKED, "its reference names no payment of ours")
    call = Call(Origin(ACTOR, webhook.correlation_id, webhook.traceparent), deadline=None)
    changed = apply_notice(ports, call, webhook.merchant_id, webhook.intent_id, notice, endpoint)
    return Settlement(WebhookState.APPLIED, "" if changed else "nothing new")


def _interpreted(ports: Ports, connector: Connector, webhook: Webhook) -> Notice | None:
    """What the event says. A PSP that can be asked is, through its gate: one that hangs holds nobody up."""
    content, endpoint = webhook.content, webhook.endpoint
    if not connector.capabilities.looks_up:
        return connector.interpret(content, endpoint.credential_ref)
    shut = ports.gate.enter(endpoint, INTERPRETATION)
    if shut:
        raise PspSilentError(shut)
    answer: Unknown | None = None
    try:
        return connector.interpret(content, endpoint.credential_ref)
    except PspSilentError as silence:
        answer = Unknown(str(silence))
        raise
    finally:
        ports.gate.leave(endpoint, INTERPRETATION, answer)


def _again(ports: Ports, webhook: Webhook, tries_max: int, why: str) -> Settlement:
    if webhook.tries >= tries_max:
        return Settlement(WebhookState.PARKED, clean(why))
    pause_s = BACKOFF.pause_s(webhook.tries - 1, ports.jitter)
    return Settlement(WebhookState.PENDING, clean(why), ports.clock.now() + timedelta(seconds=pause_s))


def _subject(webhook: Webhook) -> dict[str, object]:
    return {
        "webhook_id": webhook.id,
        "event_id": webhook.event_id,
        "payment_intent_id": webhook.intent_id,
        "correlation_id": webhook.correlation_id,
    }
