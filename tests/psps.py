"""What tests of whole payments ask of any PSP: the simulator, and the doubles of Stripe and Adyen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from payflow.domain.webhook import intent_of
from tests.adyen_doubles import AdyenDouble
from tests.simulators import Simulator
from tests.stripe_double.running import StripeDouble
from tests.waiting import wait_until

# Adyen's effects in the words of the simulator's.
OPERATIONS = {
    "AUTHORISED": "authorize",
    "CAPTURED": "capture",
    "CANCELLED": "cancel",
    "REFUNDED": "refund",
    "CAPTURE_FAILED": "capture_failed",
    "REFUND_FAILED": "refund_failed",
}


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a PSP has of a payment, in minor units: reserved, taken, and given back of that."""

    held: int = 0
    taken: int = 0
    returned: int = 0


class Psp(Protocol):
    """One PSP; ``name`` is the connector's, ``poor_card`` a payment method without funds.

    One that ``tells_later`` takes captures, cancels and refunds in, and its webhooks say what came of them.
    """

    name: str
    poor_card: str
    tells_later: bool

    def holdings(self, intent_id: str) -> Holdings:
        """What it says itself, whatever it has told."""
        ...

    def holds_webhooks(self, holds: bool) -> None:
        """Sends none from now on, or again and what was kept before."""
        ...

    def settle(self) -> None:
        """Waits until it has told everything."""
        ...


class SimulatorPsp:
    """The simulated PSP, which cannot hold its webhooks."""

    name = "simulator"
    poor_card = "pm_card_insufficient_funds"
    tells_later = False

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def holdings(self, intent_id: str) -> Holdings:
        """From its effects."""
        return _holdings(
            (effect["operation"], effect["amount"])
            for effect in self._simulator.effects()
            if intent_of(effect["reference"]) == intent_id
        )

    def holds_webhooks(self, holds: bool) -> None:
        """Nothing."""

    def settle(self) -> None:
        """Waits until it has told everything."""
        wait_until(lambda: self._simulator.webhooks_waiting() == 0)


class StripePsp:
    """The double of Stripe."""

    name = "stripe"
    poor_card = "pm_card_visa_chargeDeclinedInsufficientFunds"
    tells_later = False

    def __init__(self, double: StripeDouble) -> None:
        self.double = double

    def holdings(self, intent_id: str) -> Holdings:
        """From its PaymentIntent and its refunds."""
        [payment] = [
            one
            for one in self.double.payments()
            if intent_of(one["metadata"]["payflow_reference"]) == intent_id
        ]
        refunds = self.double.refunds(payment["id"])
        return Holdings(
            payment["amount_capturable"],
            payment["amount_received"],
            sum(one["amount"] for one in refunds if one["status"] == "succeeded"),
        )

    def holds_webhooks(self, holds: bool) -> None:
        """See Psp."""
        self.double.hold_webhooks(holds)

    def settle(self) -> None:
        """See Psp."""
        self.double.settle()


class AdyenPsp:
    """The double of Adyen."""

    name = "adyen"
    poor_card = "pm_card_insufficient_funds"
    tells_later = True

    def __init__(self, double: AdyenDouble) -> None:
        self.double = double

    def holdings(self, intent_id: str) -> Holdings:
        """From its effects."""
        return _holdings((OPERATIONS[one["effect"]], one["value"]) for one in self._effects(intent_id))

    def reference(self, intent_id: str, effect: str) -> str:
        """Adyen's reference of the only effect of this kind that a payment has had."""
        [found] = [one["psp_reference"] for one in self._effects(intent_id) if one["effect"] == effect]
        return str(found)

    def holds_webhooks(self, holds: bool) -> None:
        """See Psp."""
        self.double.hold_webhooks(holds)

    def settle(self) -> None:
        """See Psp."""
        self.double.settle()

    def _effects(self, intent_id: str) -> list[dict[str, Any]]:
        return [one for one in self.double.all_effects() if intent_of(one["reference"]) == intent_id]


def _holdings(moved: Iterable[tuple[str, int]]) -> Holdings:
    sums = Counter[str]()
    for operation, amount in moved:
        sums[operation] += amount
    return Holdings(
        0 if sums.keys() & {"capture", "cancel"} else sums["authorize"],
        sums["capture"] - sums["capture_failed"],
        sums["refund"] - sums["refund_failed"],
    )


@contextmanager
def silent(psp: Psp) -> Iterator[None]:
    """Its webhooks come behind the block."""
    psp.holds_webhooks(True)
    try:
        yield
    finally:
        psp.holds_webhooks(False)
