"""What a verified event says of an operation; only what Adyen signed is believed.

``reason`` and ``additionalData`` are not signed, and Adyen has no look-up to ask. So an event says that
something failed, and never why. A modification's event carries the modification's own reference, its
pspReference, and the payment's pspReference as originalReference.
"""

from __future__ import annotations

import msgspec

from payflow.domain import declines
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import Approved, Declined, NotExecuted, OperationType, Outcome, Unknown
from payflow.domain.webhook import is_psp_key
from payflow.psp.adyen.currencies import CURRENCIES, from_adyen
from payflow.psp.adyen.webhooks import Event

_EVENT = msgspec.json.Decoder(Event)


def interpret(content: bytes) -> Notice | None:
    """The notice in an event; None for one of no interest. Raises ValueError for what makes no sense."""
    event = _EVENT.decode(content)
    if event.merchant_reference and not is_psp_key(event.merchant_reference):
        # A merchant account may be shared with another system.
        return None
    happened = event.success == "true"
    payment_id = event.original_reference or ""
    match event.event_code:
        case "AUTHORISATION":
            return _finished(event, OperationType.AUTHORIZE, event.psp_reference, event.psp_reference)
        case "CAPTURE":
            return _finished(event, OperationType.CAPTURE, payment_id, payment_id)
        case "REFUND":
            return _finished(event, OperationType.REFUND, event.psp_reference, payment_id)
        case "CANCELLATION":
            return _canceled(event, payment_id)
        case "TECHNICAL_CANCEL":
            return _shut_out(event, payment_id)
        case "CAPTURE_FAILED" if happened:
            return _failed_later(event, OperationType.CAPTURE, payment_id)
        case "REFUND_FAILED" | "REFUNDED_REVERSED" if happened:
            return _failed_later(event, OperationType.REFUND, payment_id)
        case "EXPIRE" if happened:
            return _expired(payment_id or event.psp_reference)
        case _:
            return None


def _finished(event: Event, operation: OperationType, psp_id: str, payment_id: str) -> Notice:
    return Notice(
        operation,
        _outcome(event, psp_id),
        event.merchant_reference or "",
        payment_id,
        _amount(event),
        event.amount.currency,
    )


def _failed_later(event: Event, operation: OperationType, payment_id: str) -> Notice:
    """A scheme or a bank rejected what had been a success; that it did is what the event's success says."""
    return Notice(
        operation,
        _declined(event),
        event.merchant_reference or "",
        payment_id,
        _amount(event),
        event.amount.currency,
        after_success=True,
    )


def _canceled(event: Event, payment_id: str) -> Notice:
    """A cancel is of all that is left: its amount is the payment's and nothing to compare."""
    reference = event.merchant_reference or ""
    return Notice(OperationType.CANCEL, _outcome(event, payment_id), reference, payment_id)


def _shut_out(event: Event, payment_id: str) -> Notice:
    """What a technical cancel canceled can never be captured.

    One that fails found nothing under the reference that it could cancel, which proves nothing: it may
    be captured already, or still on its way.
    """
    outcome: Outcome = NotExecuted(declines.failure("psp_key_shut_out", event.event_code))
    if event.success == "false":
        outcome = Unknown("the technical cancel failed")
    return Notice(OperationType.AUTHORIZE, outcome, event.merchant_reference or "", payment_id)


def _expired(payment_id: str) -> Notice:
    """Adyen let go of what was authorized and not captured, under no reference of ours."""
    return Notice(OperationType.CANCEL, Approved(payment_id), psp_payment_id=payment_id)


def _outcome(event: Event, psp_id: str) -> Outcome:
    return Approved(psp_id) if event.success == "true" else _declined(event)


def _declined(event: Event) -> Declined:
    return Declined(declines.failure("unknown_decline", event.event_code), event.psp_reference)


def _amount(event: Event) -> int:
    value, currency = event.amount.value, event.amount.currency
    amount = from_adyen(value, currency) if currency in CURRENCIES else None
    if amount is None:
        raise ValueError(f"an amount of {value} {currency} cannot have been asked for")
    return amount
