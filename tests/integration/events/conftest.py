from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases import Database
from tests.webhook_stack import WebhookStack, webhook_stack


@pytest.fixture(scope="module")
def stack(database: Database) -> Iterator[WebhookStack]:
    with webhook_stack(database) as running:
        yield running
