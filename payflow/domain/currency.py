"""Currencies and their minor units, as ISO 4217 publishes them."""

from __future__ import annotations

from iso4217 import Currency

from payflow.domain.errors import invalid_field

# Precious metals, drawing rights and test codes have no minor unit; no payment is made in them.
_EXPONENTS = {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}


def exponent(code: str) -> int:
    """How many decimals the currency's minor unit stands for: USD 2, JPY 0, KWD 3.

    Raises VALIDATION_FAILED about ``currency`` unless ``code`` is an upper-case ISO 4217 code of money.
    """
    try:
        return _EXPONENTS[code]
    except KeyError:
        raise invalid_field("currency", "must be an upper-case ISO 4217 code, such as USD") from None
