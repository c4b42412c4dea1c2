from __future__ import annotations

from collections.abc import Iterator

import pytest

from payflow.psp.stripe.connector import StripeConnector
from tests.stripe_double.running import StripeDouble, running_stripe_double


@pytest.fixture(scope="session")
def stripe_double() -> Iterator[StripeDouble]:
    """A Stripe account for all tests."""
    with running_stripe_double() as double:
        yield double


@pytest.fixture
def stripe(stripe_double: StripeDouble) -> StripeDouble:
    """A Stripe account with nothing in it."""
    stripe_double.forget()
    return stripe_double


@pytest.fixture
def connector(stripe: StripeDouble) -> Iterator[StripeConnector]:
    """A connector to that account."""
    with stripe.connector() as connector:
        yield connector
