from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.currency import exponent
from payflow.domain.fields import AMOUNT_MAX
from payflow.psp.adyen.currencies import CURRENCIES, from_adyen, to_adyen

currencies = st.sampled_from(sorted(CURRENCIES))


@pytest.mark.parametrize(
    ("amount", "currency", "value"),
    [
        (1999, "EUR", 1999),
        (1999, "JPY", 1999),
        (1999, "KWD", 1999),
        (1999, "CLP", 199_900),
        (1999, "ISK", 199_900),
        (199_900, "IDR", 1999),
        (199_900, "CVE", 1999),
    ],
)
def test_an_amount_is_told_in_adyens_decimals(amount: int, currency: str, value: int) -> None:
    assert to_adyen(amount, currency) == value
    assert from_adyen(value, currency) == amount


@pytest.mark.parametrize(("amount", "currency"), [(199_901, "IDR"), (199_950, "CVE"), (1, "IDR")])
def test_an_amount_that_adyen_cannot_count_is_not_rounded(amount: int, currency: str) -> None:
    assert to_adyen(amount, currency) is None


@pytest.mark.parametrize(("value", "currency"), [(199_901, "CLP"), (50, "ISK")])
def test_a_value_that_payflow_cannot_count_is_not_rounded(value: int, currency: str) -> None:
    assert from_adyen(value, currency) is None


@given(st.integers(1, AMOUNT_MAX), currencies)
def test_what_adyen_is_told_is_what_it_tells_back(amount: int, currency: str) -> None:
    value = to_adyen(amount, currency)
    assert value is None or from_adyen(value, currency) == amount


@given(currencies)
def test_every_currency_is_one_of_payflows(currency: str) -> None:
    assert exponent(currency) in (0, 2, 3)
