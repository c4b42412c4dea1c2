"""Amounts on the command line are exact, and nothing that could be meant otherwise is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.errors import PayFlowError
from server.cli.amounts import AMOUNT_MAX, major_units, minor_units


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (123_456, "USD", "1,234.56"),
        (-5, "USD", "-0.05"),
        (0, "EUR", "0.00"),
        (-1_234_567, "JPY", "-1,234,567"),
        (1_001, "KWD", "1.001"),
        (AMOUNT_MAX, "USD", "92,233,720,368,547,758.07"),
        (-AMOUNT_MAX, "JPY", "-9,223,372,036,854,775,807"),
    ],
)
def test_amounts_are_shown_with_the_decimals_of_their_currency(amount: int, currency: str, text: str) -> None:
    assert major_units(amount, currency) == text


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("25.00USD", 2_500, "USD"),
        ("25USD", 2_500, "USD"),
        ("0.07 EUR", 7, "EUR"),
        ("2500JPY", 2_500, "JPY"),
        ("1.001KWD", 1_001, "KWD"),
        ("92233720368547758.07USD", AMOUNT_MAX, "USD"),
    ],
)
def test_amounts_are_read_to_the_minor_unit(text: str, amount: int, currency: str) -> None:
    assert minor_units(text) == (amount, currency)


@pytest.mark.parametrize(
    "text",
    [
        "25.0USD",
        "25.000USD",
        "25.USD",
        "25.00JPY",
        "25,00USD",
        "1,000.00USD",
        "-1.00USD",
        "1e3USD",
        "\u0662\u0665USD",
        "25.00",
        "25.00usd",
        "USD",
        "",
        "92233720368547758.08USD",
        "9" * 5_000 + "USD",
    ],
)
def test_what_is_not_exactly_an_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        minor_units(text)


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(PayFlowError, match="currency"):
        minor_units("1.00XXX")


@given(st.integers(0, AMOUNT_MAX), st.sampled_from(["USD", "JPY", "KWD", "CLF"]))
def test_an_amount_that_was_shown_is_read_back(amount: int, currency: str) -> None:
    text = major_units(amount, currency).replace(",", "")

    assert minor_units(text + currency) == (amount, currency)
