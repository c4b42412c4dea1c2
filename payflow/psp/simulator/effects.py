"""What moved at the simulated PSP, for an auditor to list."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from payflow.domain.instants import instant_of, microseconds
from payflow.psp.simulator.database import Database

_ADD = """
INSERT INTO effects (psp_account, merchant, reference, execution, operation, payment_id, id, amount,
                     currency, executed_at_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PAGE = """
SELECT sequence, executed_at_us, psp_account, merchant, reference, execution, operation, payment_id, id,
       amount, currency
FROM effects WHERE sequence > ? ORDER BY sequence LIMIT ?
"""


class Effect(Struct, frozen=True):
    """One movement: ``amount`` is minor units of ``currency``.

    ``operation`` is ``authorize``, ``sale``, ``capture``, ``cancel``, ``refund``, or ``capture_failed``
    and ``refund_failed``, which take back the capture (or sale) and the refund of the same reference and
    ``execution``. That counts the requests executed under the reference, from 1.
    """

    sequence: int
    executed_at: datetime
    psp_account: str
    merchant: str
    reference: str
    execution: int
    operation: str
    payment_id: str
    id: str
    amount: int
    currency: str


class Effects:
    """The movements in a simulator's file; they are never changed."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connection

    def add(self, effect: Effect) -> None:
        """Appends a movement; its sequence is given by the database."""
        row = (
            *(effect.psp_account, effect.merchant, effect.reference, effect.execution, effect.operation),
            *(effect.payment_id, effect.id, effect.amount, effect.currency),
            microseconds(effect.executed_at),
        )
        self._connection.execute(_ADD, row)

    def page(self, after: int, limit: int) -> list[Effect]:
        """Up to ``limit`` movements with a greater sequence than ``after``, in order."""
        rows = self._connection.execute(_PAGE, (after, limit))
        return [Effect(sequence, instant_of(at_us), *others) for sequence, at_us, *others in rows]
