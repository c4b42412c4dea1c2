"""What routing may know of a payment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RoutingRequest:
    """A payment that looks for a PSP account; ``amount`` is minor units of ``currency``.

    ``country`` is the payer's (ISO 3166-1 alpha-2), empty where it is not known.
    """

    intent_id: str
    amount: int
    currency: str
    country: str = ""
    payment_method_type: str = "card"
    metadata: Mapping[str, str] = field(default_factory=dict)
