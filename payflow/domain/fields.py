"""The rules that single fields of a request obey; every refusal names the field and what was expected."""

from __future__ import annotations

import re
from collections.abc import Mapping

from iso3166 import countries_by_alpha2

from payflow.domain.errors import invalid_field

AMOUNT_MAX = 999_999_999_999
DESCRIPTION_MAX = 1_000
REASON_MAX = 500
NAME_MAX = 200
METADATA_KEYS_MAX = 50
METADATA_KEY_MAX = 40
METADATA_VALUE_MAX = 500
IDEMPOTENCY_KEY_MAX = 255
REFERENCE_MAX = 200
RETURN_URL_MAX = 2_000
ACTION_RESULT_MAX = 8_000

_MERCHANT_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PSP_ACCOUNT_ID = re.compile(r"[a-z0-9_-]{1,40}")
_PAYMENT_METHOD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,254}")
_PAYMENT_METHOD_TYPE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_RETURN_URL = re.compile(r"https?://[\x21-\x7e]+")
_CREDENTIAL_REF = re.compile(r"[A-Za-z0-9_./:-]{0,200}")
_ACCOUNT_ID = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_IDEMPOTENCY_KEY = re.compile(rf"[\x20-\x7e]{{1,{IDEMPOTENCY_KEY_MAX}}}")


def _match(pattern: re.Pattern[str], name: str, value: str, expected: str) -> str:
    if not pattern.fullmatch(value):
        raise invalid_field(name, expected)
    return value


def amount(name: str, value: int) -> int:
    """Minor units, 1 to AMOUNT_MAX: twelve digits, as ISO 8583 gives an amount (data element 4).

    It takes nine million payments of that size to bring an account near 2^63.
    """
    if not 0 < value <= AMOUNT_MAX:
        raise invalid_field(name, f"must be minor units from 1 to {AMOUNT_MAX}")
    return value


def merchant_id(value: str, name: str = "merchant_id") -> str:
    """A caller-chosen merchant id."""
    return _match(_MERCHANT_ID, name, value, "must be 1 to 64 of letters, digits, '_', '-' and '.'")


def psp_account_id(value: str, name: str = "id") -> str:
    """A caller-chosen PSP account id; it becomes part of ledger account ids."""
    return _match(_PSP_ACCOUNT_ID, name, value, "must be 1 to 40 of lower-case letters, digits, '_' and '-'")


def account_id(value: str, name: str = "account_id") -> str:
    """A ledger account's id, the system's own included."""
    return _match(_ACCOUNT_ID, name, value, "must be 1 to 128 of letters, digits and '_.:/-'")


def payment_method(value: str, name: str = "payment_method") -> str:
    """A PSP token. Digits alone are refused: a card number must never get as far as the database."""
    return _match(
        _PAYMENT_METHOD, name, value, "must be a PSP token such as pm_card_visa, never a card number"
    )


def payment_method_type(value: str, name: str = "payment_method_type") -> str:
    """A kind of payment method; which ones there are is up to the PSPs."""
    expected = "must be 1 to 40 of lower-case letters, digits and '_', such as card"
    return _match(_PAYMENT_METHOD_TYPE, name, value, expected)


def country(value: str, name: str = "country") -> str:
    """A country as ISO 3166-1 alpha-2 writes it, or XK for Kosovo, which PSPs know by that."""
    if value not in countries_by_alpha2:
        raise invalid_field(name, "must be an upper-case ISO 3166-1 alpha-2 code, such as DE or GB")
    return value


def return_url(value: str, name: str = "return_url") -> str:
    """Where a PSP sends a payer back to."""
    text(name, value, RETURN_URL_MAX)
    return _match(_RETURN_URL, name, value, "must be a URL that starts with https:// or http://")


def credential_ref(value: str, name: str = "credential_ref") -> str:
    """The name of a place where credentials are kept."""
    return _match(_CREDENTIAL_REF, name, value, "must be at most 200 of letters, digits and '_./:-'")


def idempotency_key(value: str | None) -> str:
    """The key that every changing call carries."""
    if value is None:
        raise invalid_field("idempotency-key", "is required on every call that changes something")
    return _match(_IDEMPOTENCY_KEY, "idempotency-key", value, "must be 1 to 255 printable ASCII characters")


def text(name: str, value: str, characters_max: int) -> str:
    """Free text; PostgreSQL cannot keep a NUL."""
    if len(value) > characters_max:
        raise invalid_field(name, f"must be at most {characters_max} characters")
    if "\x00" in value:
        raise invalid_field(name, "must not contain NUL")
    return value


def metadata(value: Mapping[str, str], name: str = "metadata") -> dict[str, str]:
    """The caller's own data."""
    if len(value) > METADATA_KEYS_MAX:
        raise invalid_field(name, f"must have at most {METADATA_KEYS_MAX} keys")
    for key, entry in value.items():
        if not key:
            raise invalid_field(name, "must not have an empty key")
        text(f"{name} key", key, METADATA_KEY_MAX)
        text(f"{name}[{key}]", entry, METADATA_VALUE_MAX)
    return dict(value)


def whole_number(name: str, value: int, least: int, most: int) -> int:
    """A number inside stated bounds."""
    if not least <= value <= most:
        raise invalid_field(name, f"must be from {least} to {most}")
    return value
