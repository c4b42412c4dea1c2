"""A PSP account as routing sees it for one payment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from payflow.domain.merchant.state import PspAccount
from payflow.domain.psp_capabilities import Capabilities
from payflow.domain.routing.request import RoutingRequest

PER_MILLION = 1_000_000


class Exclusion(StrEnum):
    """Why an account cannot take the payment."""

    DISABLED = "DISABLED"
    NOT_CONNECTED = "NOT_CONNECTED"
    CURRENCY = "CURRENCY"
    COUNTRY = "COUNTRY"
    PAYMENT_METHOD = "PAYMENT_METHOD"
    UNAVAILABLE = "UNAVAILABLE"
    BUSY = "BUSY"


# Not frozen, although nothing changes it: freezing makes it five times as dear, and a decision makes forty.
@dataclass(slots=True)
class Candidate:
    """Everything that a decision knew of an account, whole numbers so that it is known again exactly.

    ``cost`` is what its PSP would keep, in minor units of the payment's currency. ``samples`` are the
    payments that are remembered of it, ``success_ppm`` how many in a million of these were approved, and
    ``latency_ms`` their mean. ``score`` is in millionths, 0 where none was needed.
    """

    psp_account_id: str
    connector: str
    priority: int
    exclusion: Exclusion | None = None
    cost: int = 0
    samples: int = 0
    success_ppm: int = 0
    latency_ms: int = 0
    score: int = 0

    def with_score(self, score: int) -> Candidate:
        """The same with another score."""
        if score == self.score:
            return self
        return Candidate(
            self.psp_account_id,
            self.connector,
            self.priority,
            self.exclusion,
            self.cost,
            self.samples,
            self.success_ppm,
            self.latency_ms,
            score,
        )


def exclusion(
    account: PspAccount, capabilities: Capabilities | None, request: RoutingRequest
) -> Exclusion | None:
    """Why an account cannot take such a payment; ``capabilities`` are None without its connector.

    A payer whose country is not known is not refused for it.
    """
    if not account.enabled:
        return Exclusion.DISABLED
    if capabilities is None:
        return Exclusion.NOT_CONNECTED
    if capabilities.currencies is not None and request.currency not in capabilities.currencies:
        return Exclusion.CURRENCY
    countries = capabilities.countries
    if countries is not None and request.country and request.country not in countries:
        return Exclusion.COUNTRY
    if request.payment_method_type not in capabilities.payment_methods:
        return Exclusion.PAYMENT_METHOD
    return None
