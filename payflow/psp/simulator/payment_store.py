"""The payments in a simulator's file."""

from __future__ import annotations

from msgspec import json

from payflow.psp.simulator.database import Database
from payflow.psp.simulator.payments import Payment
from payflow.psp.simulator.requests import Key

_FIND = "SELECT payment FROM payments WHERE psp_account = ? AND merchant = ? AND id = ?"
_FIND_BY_ID = "SELECT psp_account, merchant, payment FROM payments WHERE id = ?"
_PUT = "INSERT OR REPLACE INTO payments VALUES (?, ?, ?, ?)"


class PaymentStore:
    """Finds and keeps payments."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connection
        self._payments = json.Decoder(Payment)

    def find(self, key: Key, payment_id: str) -> Payment | None:
        """The payment with this id, if it belongs to the account of ``key``."""
        row = self._connection.execute(_FIND, (key.psp_account, key.merchant, payment_id)).fetchone()
        return self._payments.decode(row[0]) if row else None

    def find_by_id(self, payment_id: str) -> tuple[Key, Payment] | None:
        """The payment with this id, whosever it is, and the key that it was first asked for under."""
        row = self._connection.execute(_FIND_BY_ID, (payment_id,)).fetchone()
        if row is None:
            return None
        payment = self._payments.decode(row[2])
        return Key(row[0], row[1], payment.reference), payment

    def put(self, key: Key, payment: Payment) -> None:
        """Stores a payment of the account of ``key``, new or changed."""
        row = (key.psp_account, key.merchant, payment.id, json.encode(payment))
        self._connection.execute(_PUT, row)
