"""Amounts as Stripe counts them: docs.stripe.com/currencies#special-cases.

PayFlow counts ISO 4217's minor units, and so does Stripe, apart from:

- ISK and UGX have none, but Stripe wants two decimals that are zero;
- MGA has two decimals on paper, and Stripe none;
- of three decimals the last must be zero.

HUF and TWD are whole in payouts only.
"""

from __future__ import annotations

THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})

# Multiply minor units by the first and divide them by the second.
SCALES = {"ISK": (100, 1), "UGX": (100, 1), "MGA": (1, 100)}
SAME = (1, 1)


def to_stripe(amount: int, currency: str) -> int | None:
    """Minor units of ``currency`` in Stripe's units; None where Stripe has no such amount."""
    times, by = SCALES.get(currency, SAME)
    scaled, rest = divmod(amount * times, by)
    if rest or (currency in THREE_DECIMALS and scaled % 10):
        return None
    return scaled


def from_stripe(amount: int, currency: str) -> int | None:
    """Stripe's units in minor units of ``currency``; None where there is no such amount."""
    times, by = SCALES.get(currency, SAME)
    scaled, rest = divmod(amount * by, times)
    return None if rest else scaled
