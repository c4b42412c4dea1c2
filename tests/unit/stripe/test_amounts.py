from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.currency import exponent
from payflow.domain.declines import failure
from payflow.domain.psp_outcome import NotExecuted, OperationType
from payflow.psp.stripe.amounts import THREE_DECIMALS, from_stripe, to_stripe
from payflow.psp.stripe.capabilities import CURRENCIES
from tests.scripted_psp import answer
from tests.stripe_calls import authorization, modification, payment, scripted, sent


@pytest.mark.parametrize(
    ("currency", "amount", "in_stripe"),
    [
        ("USD", 1000, 1000),
        ("JPY", 500, 500),
        ("HUF", 1234, 1234),
        ("TWD", 1234, 1234),
        ("ISK", 5, 500),
        ("UGX", 5, 500),
        ("MGA", 500, 5),
        ("MGA", 520, None),
        ("KWD", 5120, 5120),
        ("KWD", 5124, None),
        ("BHD", 1, None),
        ("TND", 10, 10),
    ],
)
def test_amounts_are_counted_as_stripe_counts_them(currency: str, amount: int, in_stripe: int | None) -> None:
    assert to_stripe(amount, currency) == in_stripe


@given(st.sampled_from(sorted(CURRENCIES)), st.integers(1, 10**12))
def test_what_stripe_can_say_comes_back_as_it_was(currency: str, amount: int) -> None:
    in_stripe = to_stripe(amount, currency)
    assert in_stripe is None or from_stripe(in_stripe, currency) == amount


@given(st.sampled_from(["ISK", "UGX"]), st.integers(1, 10**9).filter(lambda amount: amount % 100))
def test_a_fraction_of_a_whole_currency_is_no_amount(currency: str, in_stripe: int) -> None:
    assert from_stripe(in_stripe, currency) is None


def test_every_currency_that_is_declared_exists_and_those_with_three_decimals_are_known() -> None:
    assert {code for code in CURRENCIES if exponent(code) == 3} == THREE_DECIMALS


@pytest.mark.parametrize("operation", OperationType)
def test_an_amount_that_stripe_cannot_say_is_never_sent(operation: OperationType) -> None:
    with scripted(answer(200, payment("succeeded"))) as (script, connector):
        call = modification(operation, "pi_s", 5124, currency="KWD")
        assert connector.execute(call) == NotExecuted(failure("invalid_amount"))
    assert not script.requests


def test_stripe_is_sent_its_own_units() -> None:
    with scripted(answer(200, payment("requires_capture"))) as (script, connector):
        connector.execute(authorization(amount=5, currency="ISK"))
    _, form = sent(script.requests[0])
    assert (form["amount"], form["currency"]) == ("500", "isk")
