"""What PayFlow reads of Stripe's objects; everything else in them is passed over.

Shapes: docs.stripe.com/api/payment_intents/object, /charges/object, /refunds/object, /errors.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from stripe import StripeObject

REFERENCE = "payflow_reference"
MERCHANT = "payflow_merchant"
SHUT_OUT = "payflow_shut_out"

# The end of the year 9999, beyond which Python knows no time.
UnixTime = Annotated[int, Meta(ge=0, le=253_402_300_799)]

Item = TypeVar("Item")
Read = TypeVar("Read")


class Refusal(Struct, frozen=True):
    """An error, or a payment's last one. ``param`` names the parameter that is at fault."""

    type: str | None = None
    code: str | None = None
    decline_code: str | None = None
    advice_code: str | None = None
    param: str | None = None
    message: str | None = None
    payment_intent: Payment | None = None


class RefusalBody(Struct, frozen=True):
    """The body of an answer that is an error."""

    error: Refusal


class Card(Struct, frozen=True):
    """``capture_before``, Unix time: when an authorization that was not captured is released."""

    capture_before: UnixTime | None = None


class PaymentMethodDetails(Struct, frozen=True):
    """How a charge was paid."""

    card: Card | None = None


class ChargeOutcome(Struct, frozen=True):
    """What came of a charge; ``reason`` is a decline code or a rule of Stripe's own."""

    reason: str | None = None


class Charge(Struct, frozen=True):
    """One try to take the money."""

    id: str
    status: str
    failure_code: str | None = None
    outcome: ChargeOutcome | None = None
    payment_method_details: PaymentMethodDetails | None = None


class RedirectToUrl(Struct, frozen=True):
    """Where the payer has to go."""

    url: str | None = None


class NextAction(Struct, frozen=True):
    """What the payer has to do."""

    type: str
    redirect_to_url: RedirectToUrl | None = None


class Payment(Struct, frozen=True):
    """A PaymentIntent; amounts in Stripe's units. ``latest_charge`` is an id where it is not expanded."""

    object: Literal["payment_intent"]
    id: str
    status: str
    amount: int
    amount_received: int
    currency: str
    capture_method: str
    metadata: dict[str, str] = {}
    latest_charge: Charge | str | None = None
    next_action: NextAction | None = None
    last_payment_error: Refusal | None = None
    cancellation_reason: str | None = None

    @property
    def reference(self) -> str:
        """The ``psp_key`` that it was made under; empty where it is not ours."""
        return self.metadata.get(REFERENCE, "")

    @property
    def shuts_out(self) -> bool:
        """Whether it only keeps its reference's key from everybody else."""
        return SHUT_OUT in self.metadata

    @property
    def charge(self) -> Charge | None:
        """The last try to take the money, where it was asked for."""
        return self.latest_charge if isinstance(self.latest_charge, Charge) else None


class Refund(Struct, frozen=True):
    """A Refund; amount in Stripe's units."""

    object: Literal["refund"]
    id: str
    amount: int
    currency: str
    status: str | None = None
    payment_intent: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, str] | None = None

    @property
    def reference(self) -> str:
        """The ``psp_key`` that it was asked under; empty where it is not ours."""
        return (self.metadata or {}).get(REFERENCE, "")


class Page(Struct, Generic[Item], frozen=True):
    """A page of a list, newest first."""

    data: list[Item]
    has_more: bool

    def __post_init__(self) -> None:
        if self.has_more and not self.data:
            raise ValueError("expected something on a page that more pages follow")


def read(answer: StripeObject, kind: type[Read]) -> Read:
    """The library's object as one of these. Raises msgspec.MsgspecError where it makes no sense."""
    response = answer.last_response
    if response is None:
        raise msgspec.ValidationError("no response")
    return msgspec.json.decode(response.body, type=kind)


def refusal_of(body: Any) -> Refusal:
    """The error in a decoded answer; an empty one where there is none."""
    try:
        return msgspec.convert(body, RefusalBody).error
    except msgspec.ValidationError:
        return Refusal()
