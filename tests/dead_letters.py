"""Dead letters of a test's own consumers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import dict_row

from payflow.domain.dead_letter import DeadLetterState, GivenUp, Letter, LetterKey
from payflow.domain.folding.working_set import Changes
from payflow.store.commit.writing_dead_letters import dead_letter_statements

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


def key(version: int, aggregate_id: str = "pi_1", merchant_id: str = "shop_1") -> LetterKey:
    """Names a letter of CONSUMER."""
    return LetterKey(merchant_id, CONSUMER, aggregate_id, version)


def ask_for_retry(connection: Connection[dict[str, Any]], parked: LetterKey) -> None:
    """What an operator's retry writes, without the event."""
    for one in dead_letter_statements(Changes(dead_letters={parked: DeadLetterState.RETRYING})):
        connection.execute(one.sql.encode(), one.parameters)
