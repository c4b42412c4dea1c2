"""Dead letters of a test's own consumers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import dict_row

from payflow.domain.dead_letter import GivenUp, Letter

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CONSUMER = "billing"


def connected(url: str) -> Connection[dict[str, Any]]:
    """A connection as consumers have it."""
    return psycopg.connect(url, row_factory=dict_row)


def letter(version: int, aggregate_id: str = "pi_1", merchant_id: str = "shop_1") -> Letter:
    """The event ``version`` of an aggregate."""
    headers = {"ce_id": f"{aggregate_id}:{version}", "ce_type": "payment_intent.captured"}
    value = f'{{"version": {version}}}'.encode()
    return Letter(merchant_id, aggregate_id, version, "payment_intent.captured", headers, value)


def given_up(one: Letter, error: str = "no such customer", tries: int = 5) -> GivenUp:
    """A letter that its consumer tried for some time."""
    return GivenUp(one, error, tries)
