"""What became of one payment intent, as the database and the PSP have it, each asked for itself."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.simulators import Simulator

EVENTS = "SELECT type FROM events WHERE aggregate_id = %s ORDER BY aggregate_version"
ATTEMPTS = "SELECT * FROM psp_attempts WHERE payment_intent_id = %s ORDER BY started_at, id"
WEBHOOKS = """
    SELECT event_id, state, detail FROM webhook_inbox WHERE intent_id = %s ORDER BY received_at, position
"""
INTENTS = "SELECT id, captured_amount, refunded_amount FROM payment_intents"


def events_of(url: str, intent_id: str) -> list[str]:
    """The types of an intent's events, oldest first."""
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(EVENTS, (intent_id,))]


def attempts_of(url: str, intent_id: str) -> list[dict[str, Any]]:
    """The rows of an intent's PSP calls, oldest first."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(ATTEMPTS, (intent_id,)).fetchall()


def webhooks_of(url: str, intent_id: str) -> list[dict[str, Any]]:
    """What the inbox has of an intent, oldest first: ``event_id``, ``state``, ``detail``."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(WEBHOOKS, (intent_id,)).fetchall()


def effects_by_intent(simulator: Simulator) -> dict[str, list[tuple[str, int]]]:
    """Operation and amount of everything that moved at the PSP, in order, by the intent it was for."""
    found: dict[str, list[tuple[str, int]]] = {}
    for effect in simulator.effects():
        intent_id = effect["reference"].rpartition("-")[0]
        found.setdefault(intent_id, []).append((effect["operation"], effect["amount"]))
    return found


def assert_psp_agrees_on_every_intent(url: str, simulator: Simulator) -> None:
    """What was taken and given back at the PSP is, intent by intent, what PayFlow says."""
    effects = effects_by_intent(simulator)
    with psycopg.connect(url) as connection:
        intents = connection.execute(INTENTS).fetchall()
    for intent_id, captured, refunded in intents:
        moved = effects.pop(intent_id, [])
        assert _sum(moved, "capture", "sale") == captured, (intent_id, moved)
        assert _sum(moved, "refund") == refunded, (intent_id, moved)
        assert sum(operation in ("authorize", "sale") for operation, _ in moved) <= 1, (intent_id, moved)
    assert effects == {}, "the PSP moved money for intents that PayFlow does not know"


def _sum(moved: list[tuple[str, int]], *operations: str) -> int:
    return sum(amount for operation, amount in moved if operation in operations)
