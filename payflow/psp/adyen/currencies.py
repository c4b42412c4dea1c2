"""Amounts as Adyen counts them, from https://docs.adyen.com/development-resources/currency-codes."""

from __future__ import annotations

from payflow.domain.currency import exponent

_CODES = """
    AED ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BMD BND BOB BRL BSD BWP BYN BZD CAD CHF CLP CNY COP CRC
    CUP CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS
    INR IQD ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LKR LYD MAD MDL MKD MMK MNT MOP MRU MUR MVR
    MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR
    SEK SGD SHP SLE SOS SRD STN SVC SZL THB TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD
    XCG XOF XPF YER ZAR ZMW
"""
CURRENCIES = frozenset(_CODES.split())

# Where Adyen's decimals are not those of ISO 4217.
_DECIMALS = {"CLP": 2, "CVE": 0, "IDR": 0, "ISK": 2}


def to_adyen(amount: int, currency: str) -> int | None:
    """Adyen's minor units; None for an amount that is finer than they are."""
    return _scaled(amount, _shift(currency))


def from_adyen(value: int, currency: str) -> int | None:
    """PayFlow's minor units, which are those of ISO 4217; None for a value that is finer than they are."""
    return _scaled(value, -_shift(currency))


def _shift(currency: str) -> int:
    """How many decimals more Adyen counts in than ISO 4217 does."""
    standard = exponent(currency)
    return _DECIMALS.get(currency, standard) - standard


def _scaled(amount: int, shift: int) -> int | None:
    factor: int = 10 ** abs(shift)
    if shift >= 0:
        return amount * factor
    return None if amount % factor else amount // factor
