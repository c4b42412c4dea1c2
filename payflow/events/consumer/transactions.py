"""A consumer's transactions: serializable, tried again where that helps."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from payflow.domain.backoff import Backoff
from payflow.domain.errors import PayFlowError, Reason
from payflow.store.database.failures import RETRYABLE, Verdict, classify
from payflow.store.database.patience import Patience
from payflow.store.database.statement import DictConnection
from payflow.store.database.writer_connection import CONSUMER_TURNS, WriterConnection

Answer = TypeVar("Answer")

# A unique key that is taken may be the event's own fault; conflicts never are.
CONFLICTS = RETRYABLE - {"23505"}
CONFLICTS_MAX = 10
ALL_CONSUMERS = 0
BACKOFF = Backoff(first_s=0.005, most_s=0.25)

PASSES = frozenset({Reason.DATABASE_UNAVAILABLE, Reason.CONCURRENT_UPDATE})


def passes(error: Exception) -> bool:
    """Whether it says nothing about the work: the database is away, or others are in the way."""
    return isinstance(error, PayFlowError) and error.reason in PASSES


class Transactions:
    """One at a time, on a connection of their own; all consumers of a database take turns.

    Members of one consumer meet at the rows that they write, and different ones at the pages of the inbox.
    """

    def __init__(self, conninfo: str) -> None:
        self._writer = WriterConnection(conninfo, ALL_CONSUMERS, CONSUMER_TURNS)
        self._jitter = random.Random()

    def run(self, work: Callable[[DictConnection], Answer]) -> Answer:
        """What ``work`` makes of a transaction, which is committed; ``work`` may run several times.

        Raises what it raises, DATABASE_UNAVAILABLE, or CONCURRENT_UPDATE.
        """
        patience = Patience(CONFLICTS_MAX, away_max_s=0.0)
        tries = 0
        while True:
            try:
                with self._writer.serializable() as connection:
                    return work(connection)
            except Exception as error:
                verdict = classify(error, CONFLICTS)
                if verdict is Verdict.CONNECT_AGAIN:
                    self._writer.drop()
                patience.after(verdict, error)
            time.sleep(BACKOFF.pause_s(tries, self._jitter))
            tries += 1

    def close(self) -> None:
        """Lets go of the connection."""
        self._writer.drop()
