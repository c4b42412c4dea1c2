"""What a PSP can do and what it costs, as its connector declares it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from payflow.domain.fees import kept_of


@dataclass(frozen=True, slots=True)
class PspCosts:
    """What the PSP keeps of a payment: ``bps`` of the amount plus minor units by currency.

    ``fixed_default`` is for currencies that ``fixed`` does not name.
    """

    bps: int = 0
    fixed: Mapping[str, int] = field(default_factory=dict)
    fixed_default: int = 0

    def cost_of(self, amount: int, currency: str) -> int:
        """Minor units of ``currency``, rounded half to even and never more than the amount."""
        return kept_of(amount, self.bps, self.fixed.get(currency, self.fixed_default))


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What payments a PSP takes; None for currencies or countries means every one.

    ``payment_methods`` are kinds such as ``card``, ``apple_pay`` and ``google_pay``. ``key_window_s`` is
    how long it remembers an idempotency key: inside it, a repeat with the same key is safe. ``looks_up``
    says that it can be asked what became of a reference of ours. Without ``partial_capture``, a capture of
    less than was authorized is refused.

    ``three_d_secure`` and ``multiple_capture`` are for whoever chooses a PSP, and nothing goes by them:
    whether a payer is asked is up to PSP and issuer, and a payment is captured once.
    """

    key_window_s: int
    looks_up: bool
    currencies: frozenset[str] | None = None
    countries: frozenset[str] | None = None
    payment_methods: frozenset[str] = frozenset({"card"})
    three_d_secure: bool = True
    partial_capture: bool = True
    multiple_capture: bool = False
    costs: PspCosts = PspCosts()
