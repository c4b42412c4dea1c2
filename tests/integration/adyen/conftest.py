"""One double of Adyen and one merchant whom it tells, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from payflow.psp.adyen.connector import AdyenConnector
from tests.adyen_doubles import AdyenDouble, running_adyen_double
from tests.adyen_merchant import Merchant


@pytest.fixture(scope="session")
def merchant() -> Iterator[Merchant]:
    with Merchant().listening() as listening:
        yield listening


@pytest.fixture(scope="session")
def double(merchant: Merchant) -> Iterator[AdyenDouble]:
    with running_adyen_double("--webhooks-to", merchant.url, "--retry-s", "0.05") as running:
        yield running


@pytest.fixture(scope="session")
def terse_double(merchant: Merchant) -> Iterator[AdyenDouble]:
    """One that says as little as Adyen may."""
    with running_adyen_double("--terse", "--webhooks-to", merchant.url, "--retry-s", "0.05") as running:
        yield running


@pytest.fixture
def connector(double: AdyenDouble, merchant: Merchant) -> Iterator[AdyenConnector]:
    with double.connector() as connector:
        yield connector
    double.hold_webhooks(False)
    merchant.away = False
