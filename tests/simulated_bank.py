"""The simulated PSP in memory, without HTTP, under a clock that its test turns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from payflow.psp.simulator.answers import ActionRequired, Answer, Approved, Declined
from payflow.psp.simulator.behaviour import Behaviour
from payflow.psp.simulator.database import Database
from payflow.psp.simulator.psp import Psp
from payflow.psp.simulator.requests import Instruction, Key, Operation

START = datetime(2030, 1, 1, tzinfo=UTC)
WINDOW = timedelta(seconds=60)
TTL = timedelta(seconds=100)


class Bank:
    """Asks it as a caller would, and says what moved."""

    def __init__(self, database: Database, announces: bool) -> None:
        self.now = START
        ids = count(1)
        behaviour = Behaviour(key_window_s=WINDOW.total_seconds(), authorization_ttl_s=TTL.total_seconds())
        self.psp = Psp(database, behaviour, lambda: self.now, lambda: str(next(ids)), announces)

    def behave(self, **changes: object) -> None:
        """Changes its behaviour; what is not named is as at the start."""
        self.psp.controls.change(changes)

    def settle(self, later: timedelta = timedelta(0)) -> None:
        """Lets time pass, and what is due by then happen."""
        self.now += later
        while self.psp.settling.settle_next():
            pass

    def outcome(self, reference: str) -> Answer:
        """What a look-up says."""
        return self.psp.acquirer.look_up(key(reference))

    def told(self) -> list[tuple[str, str, str]]:
        """The webhooks that were queued: their kinds, types and references."""
        return [(one.kind, one.type, one.reference) for one in self.psp.deliveries.page(0, 1000)]

    def ask(
        self,
        operation: Operation,
        reference: str,
        amount: int = 100,
        payment_id: str = "",
        *,
        currency: str = "USD",
        card: str = "pm_card_visa",
        sale: bool = False,
        merchant: str = "m",
    ) -> Answer:
        method = card if operation is Operation.AUTHORIZE else ""
        asked = Instruction("acc", merchant, reference, amount, currency, method, payment_id, sale)
        return self.psp.acquirer.execute(operation, asked)

    def opened(self, reference: str = "a", card: str = "pm_card_visa", sale: bool = False) -> str:
        answer = self.ask(Operation.AUTHORIZE, reference, card=card, sale=sale)
        assert isinstance(answer, Approved | ActionRequired)
        return answer.id

    def declines(
        self,
        operation: Operation,
        reference: str,
        amount: int,
        payment_id: str,
        *,
        currency: str = "USD",
        merchant: str = "m",
    ) -> str:
        answer = self.ask(operation, reference, amount, payment_id, currency=currency, merchant=merchant)
        assert isinstance(answer, Declined)
        return answer.failure.code

    def moved(self) -> list[tuple[str, str, int, int]]:
        effects = self.psp.effects.page(0, 1000)
        return [(effect.operation, effect.reference, effect.amount, effect.execution) for effect in effects]


@contextmanager
def opened_bank(announces: bool = False) -> Iterator[Bank]:
    """A bank that has never seen a payment."""
    database = Database(Path(":memory:"))
    try:
        yield Bank(database, announces)
    finally:
        database.close()


def key(reference: str, merchant: str = "m") -> Key:
    """The key of the bank's callers."""
    return Key("acc", merchant, reference)
