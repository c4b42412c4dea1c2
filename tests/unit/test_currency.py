from __future__ import annotations

import pytest

from payflow.domain.currency import exponent
from payflow.domain.errors import PayFlowError, Reason


@pytest.mark.parametrize(
    ("code", "decimals"),
    [
        ("USD", 2),
        ("EUR", 2),
        ("JPY", 0),
        ("KRW", 0),
        ("UGX", 0),
        ("KWD", 3),
        ("BHD", 3),
        ("CLF", 4),
        ("MRU", 2),
    ],
)
def test_exponents_are_those_of_iso_4217(code: str, decimals: int) -> None:
    assert exponent(code) == decimals


@pytest.mark.parametrize(
    "code",
    [
        "XXX",
        "XTS",
        "XAU",
        "XDR",
        "usd",
        "Usd",
        "",
        "US",
        "USDT",
        " USD",
        "USD ",
        "USD\x00",
        "ZZZ",
        "840",
        "\uff35\uff33\uff24",
    ],
)
def test_what_is_no_money_is_refused(code: str) -> None:
    with pytest.raises(PayFlowError) as refused:
        exponent(code)
    assert refused.value.reason is Reason.VALIDATION_FAILED
    assert [violation.field for violation in refused.value.fields] == ["currency"]
