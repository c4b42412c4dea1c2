"""One PayFlow for every module in this directory; each test has a merchant and a receiver of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.databases import Database
from tests.in_process import InProcess, in_process
from tests.merchant_webhook_stack import MerchantWebhookStack, merchant_webhook_stack


@pytest.fixture(scope="session")
def payflow(
    new_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InProcess]:
    directory = tmp_path_factory.mktemp("merchant-webhooks")
    with in_process(new_database(), directory, WEBHOOKS_ALLOW_PRIVATE="1") as running:
        yield running


@pytest.fixture
def stack(payflow: InProcess) -> Iterator[MerchantWebhookStack]:
    """A merchant and a receiver of the test's own."""
    with merchant_webhook_stack(payflow) as running:
        yield running
