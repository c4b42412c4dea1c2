"""What a consumer does in its transactions: applying events, parking them, and trying parked ones again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from payflow.domain.dead_letter import DeadLetter, GivenUp
from payflow.domain.folding.working_set import MerchantScoped
from payflow.domain.ids import BUCKETS
from payflow.events.consumer.sorting_out import SortedOut, aggregate_of, sort_out
from payflow.events.consumer.transactions import Transactions
from payflow.events.letters import event_of, letter_of
from payflow.events.published_event import PublishedEvent
from payflow.store.consumers import dead_letters, inbox
from payflow.store.database.statement import DictConnection

EVERY_BUCKET = range(BUCKETS)
RETRIED_AGGREGATES_MAX = 100


class Handler(Protocol):
    """Has the effect of events, in their order, on the connection of the transaction that notes them.

    It may be called again with the same events, after a rollback; what it does elsewhere is done again, too.
    What it raises takes the whole batch back.
    """

    def __call__(self, connection: DictConnection, events: Sequence[PublishedEvent], /) -> None: ...


class Applying:
    """Every method is a transaction. Raises what the handler raises, and as Transactions.run does."""

    def __init__(
        self, consumer: str, handler: Handler, transactions: Transactions, now: Callable[[], datetime]
    ) -> None:
        self._consumer = consumer
        self._handler = handler
        self._transactions = transactions
        self._now = now

    def apply(self, events: Sequence[PublishedEvent]) -> SortedOut:
        """Applies what is new, and puts what has to wait behind the dead letters of its aggregate."""
        return self._transactions.run(partial(self._apply, events))

    def park(self, event: PublishedEvent, error: str, tries: int) -> bool:
        """Makes an event a dead letter; False where somebody else has settled it meanwhile."""
        return self._transactions.run(partial(self._park, event, error, tries))

    def to_retry(self) -> list[MerchantScoped]:
        """Aggregates whose dead letters an operator wants to be tried again."""
        return self._transactions.run(self._to_retry)

    def retry(self, aggregate: MerchantScoped) -> bool:
        """Applies an aggregate's first dead letter; False where there is none that is to be tried."""
        return self._transactions.run(partial(self._retry, aggregate))

    def park_again(self, aggregate: MerchantScoped, error: str, tries: int) -> None:
        """Puts back what was tried again in vain."""
        self._transactions.run(partial(self._park_again, aggregate, error, tries))

    def _apply(self, events: Sequence[PublishedEvent], connection: DictConnection) -> SortedOut:
        found = self._sorted_out(events, connection)
        letters = [letter_of(event) for event in found.waiting]
        dead_letters.append(connection, self._consumer, letters, self._now())
        self._have_effect(found, connection)
        return found

    def _park(self, event: PublishedEvent, error: str, tries: int, connection: DictConnection) -> bool:
        found = self._sorted_out([event], connection)
        dead_letters.append(
            connection, self._consumer, [letter_of(one) for one in found.waiting], self._now()
        )
        given_up = [GivenUp(letter_of(one), error, tries) for one in found.fresh]
        dead_letters.park(connection, self._consumer, given_up, self._now())
        return bool(given_up)

    def _to_retry(self, connection: DictConnection) -> list[MerchantScoped]:
        return dead_letters.to_retry(connection, self._consumer, EVERY_BUCKET, RETRIED_AGGREGATES_MAX)

    def _retry(self, aggregate: MerchantScoped, connection: DictConnection) -> bool:
        taken = self._first(aggregate, connection)
        applied = inbox.applied(connection, self._consumer, [aggregate])
        self._have_effect(sort_out(map(event_of, taken), applied, held_back=()), connection)
        dead_letters.remove(connection, taken)
        return bool(taken)

    def _park_again(
        self, aggregate: MerchantScoped, error: str, tries: int, connection: DictConnection
    ) -> None:
        for failed in self._first(aggregate, connection):
            dead_letters.park_again(connection, failed, error, tries, self._now())

    def _first(self, aggregate: MerchantScoped, connection: DictConnection) -> Sequence[DeadLetter]:
        return dead_letters.take(connection, self._consumer, aggregate, 1)

    def _sorted_out(self, events: Iterable[PublishedEvent], connection: DictConnection) -> SortedOut:
        aggregates = [aggregate_of(event) for event in events]
        applied = inbox.applied(connection, self._consumer, aggregates)
        held_back = dead_letters.held_back(connection, self._consumer, aggregates)
        return sort_out(events, applied, held_back)

    def _have_effect(self, found: SortedOut, connection: DictConnection) -> None:
        # First, so that of two members at the same events one finds out before it has worked in vain.
        inbox.advance(connection, self._consumer, found.versions)
        if found.fresh:
            self._handler(connection, found.fresh)
