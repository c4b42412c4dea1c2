"""The payment methods that the simulator knows, and what each of them makes happen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from payflow.psp.simulator.answers import Failure


class Delivery(Enum):
    """What the network does to the first authorization of a payment, and to every repeat of it."""

    ANSWERED = auto()
    UNANSWERED = auto()
    LOST = auto()


@dataclass(frozen=True, slots=True)
class Card:
    """How a payment method behaves; without a ``failure`` it is approved."""

    failure: Failure | None = None
    challenged: bool = False
    delivery: Delivery = Delivery.ANSWERED


INVALID = Card(Failure("invalid_payment_method", "The payment method does not exist.", retryable=False))

# Card schemes let a merchant present a card again after "insufficient funds" (ISO 8583 response 51: the
# issuer cannot approve now), a limited number of times and later. That makes it retryable; another PSP
# would ask the same issuer at the same moment, so it is no reason to fail over.
CARDS = {
    "pm_card_visa": Card(),
    "pm_card_declined": Card(Failure("card_declined", "The card was declined.", retryable=False)),
    "pm_card_insufficient_funds": Card(
        Failure("insufficient_funds", "The card has insufficient funds.", retryable=True)
    ),
    "pm_card_3ds": Card(challenged=True),
    "pm_card_timeout": Card(delivery=Delivery.UNANSWERED),
    "pm_card_lost": Card(delivery=Delivery.LOST),
}


def card(payment_method: str) -> Card:
    """The card behind a token; a token that nobody issued is declined."""
    return CARDS.get(payment_method, INVALID)
