"""Amounts as people read and write them; no float comes near them."""

from __future__ import annotations

import re

from payflow.domain.currency import exponent

AMOUNT_MAX = 2**63 - 1

_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]+))? ?([A-Z]{3})")


def major_units(amount: int, currency: str) -> str:
    """``amount`` minor units with the currency's decimals: 123456 of USD is 1,234.56."""
    decimals = exponent(currency)
    whole, fraction = divmod(abs(amount), 10**decimals)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole:,}" + (f".{fraction:0{decimals}}" if decimals else "")


def minor_units(text: str) -> tuple[int, str]:
    """The minor units and the currency of a text such as 25.00USD.

    Decimals are all there or none. Raises ValueError, or VALIDATION_FAILED about an unknown currency.
    """
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an amount and a currency, such as 25.00USD")
    whole, fraction, currency = found.groups()
    decimals = exponent(currency)
    if fraction is not None and len(fraction) != decimals:
        raise ValueError(f"{text!r} has {len(fraction)} decimals; {currency} has {decimals}")
    amount = int(whole) * 10**decimals + int(fraction or 0)
    if amount > AMOUNT_MAX:
        raise ValueError(f"{text!r} is more than {major_units(AMOUNT_MAX, currency)} {currency}")
    return amount, currency
