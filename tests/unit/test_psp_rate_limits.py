from __future__ import annotations

import pytest

from payflow.domain.endpoint import Endpoint
from payflow.domain.gcra import RateLimit
from server.config import ConfigurationError, Settings
from server.psp_rate_limits import PspRateLimits

CONNECTORS = ("stripe", "other_psp")


def limits(**environment: str) -> PspRateLimits:
    return PspRateLimits(Settings.from_environment(environment), CONNECTORS)


def test_an_account_s_limit_goes_before_its_psp_s_and_that_before_everybody_s() -> None:
    found = limits(
        PSP_RATE_LIMIT="5req/s",
        STRIPE_RATE_LIMIT="100req/s",
        SHOP1_STRIPE_RATE_LIMIT="25req/s",
        SHOP2_STRIPE_RATE_LIMIT="off",
        STALL_OTHER_PSP_RATE_LIMIT="1req/s",
    )
    assert found.of(Endpoint("stripe", "")) == RateLimit(100, 1)
    assert found.of(Endpoint("stripe", "SHOP1")) == RateLimit(25, 1)
    assert found.of(Endpoint("stripe", "SHOP2")) is None
    assert found.of(Endpoint("stripe", "SHOP3")) == RateLimit(100, 1)
    assert found.of(Endpoint("other_psp", "STALL")) == RateLimit(1, 1)
    assert found.of(Endpoint("other_psp", "")) == RateLimit(5, 1)


def test_there_is_no_limit_unless_one_is_set() -> None:
    assert limits(STRIPE_RATE_LIMIT="").of(Endpoint("stripe", "")) is None


@pytest.mark.parametrize("variable", ["STRIPE_RATE_LIMIT", "SHOP1_OTHER_PSP_RATE_LIMIT"])
def test_a_limit_that_cannot_be_used_is_told_at_the_start(variable: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{variable}='many': expected off, or a number"):
        limits(**{variable: "many"})


def test_limits_of_others_are_left_alone() -> None:
    assert limits(ADYEN_RATE_LIMIT="many", NOSTRIPE_RATE_LIMIT="many").of(Endpoint("stripe", "")) is None
