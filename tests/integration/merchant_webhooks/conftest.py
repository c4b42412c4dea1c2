from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.databases import Database
from tests.merchant_webhook_stack import MerchantWebhookStack, merchant_webhook_stack


@pytest.fixture
def stack(new_database: Callable[[], Database], tmp_path: Path) -> Iterator[MerchantWebhookStack]:
    """A database, a clock and a receiver of the test's own."""
    with merchant_webhook_stack(new_database(), tmp_path) as running:
        yield running
