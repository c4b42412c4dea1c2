"""What the double remembers, in SQLite: payments, modifications, keys, effects and webhooks.

A SIGKILL of the process loses nothing that it had answered.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct, json

from tests.adyen_double.answers import Answer
from tests.adyen_double.payments import Payment

_SCHEMA = """
CREATE TABLE IF NOT EXISTS payments (
    psp_reference TEXT PRIMARY KEY, reference TEXT NOT NULL, payment BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS payments_by_reference ON payments (reference);
CREATE TABLE IF NOT EXISTS modifications (psp_reference TEXT PRIMARY KEY, modification BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, answer BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS effects (sequence INTEGER PRIMARY KEY AUTOINCREMENT, effect BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, item BLOB NOT NULL, accepted INTEGER NOT NULL DEFAULT 0
) STRICT;
"""

_PUT_PAYMENT = "INSERT OR REPLACE INTO payments VALUES (?, ?, ?)"
_PAYMENT = "SELECT payment FROM payments WHERE psp_reference = ?"
_PAYMENTS_UNDER = "SELECT payment FROM payments WHERE reference = ? ORDER BY rowid DESC"
_PUT_MODIFICATION = "INSERT INTO modifications VALUES (?, ?)"
_MODIFICATION = "SELECT modification FROM modifications WHERE psp_reference = ?"
_PUT_ANSWER = "INSERT INTO keys VALUES (?, ?)"
_ANSWER = "SELECT answer FROM keys WHERE key = ?"
_ADD_EFFECT = "INSERT INTO effects (effect) VALUES (?)"
_EFFECTS = "SELECT sequence, effect FROM effects ORDER BY sequence"
_ADD_WEBHOOK = "INSERT INTO webhooks (item) VALUES (?)"
_WEBHOOKS = "SELECT id, item, accepted FROM webhooks ORDER BY id"
_PENDING = "SELECT id, item, accepted FROM webhooks WHERE accepted = 0 ORDER BY id LIMIT ?"
_ACCEPT = "UPDATE webhooks SET accepted = 1 WHERE id = ?"


class Modification(Struct, frozen=True):
    """A capture, a cancel or a refund that was taken in."""

    psp_reference: str
    payment: str
    event_code: str
    reference: str
    value: int
    currency: str
    succeeded: bool


class Effect(Struct, frozen=True):
    """Money that moved, or is held or no longer held; ``reference`` is the one that it was asked under."""

    effect: str
    reference: str
    payment: str
    psp_reference: str
    value: int
    currency: str


class Webhook(Struct, frozen=True):
    """One item of a webhook, and whether somebody has taken it."""

    id: int
    item: dict[str, object]
    accepted: bool


class Store:
    """One connection; the thread that opened it is the only one to use it."""

    def __init__(self, path: str) -> None:
        """``path`` is a file, or ``:memory:``."""
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done inside is kept together, or not at all when it raises."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def put_payment(self, payment: Payment) -> None:
        """Keeps the payment as it is now."""
        row = (payment.psp_reference, payment.reference, json.encode(payment))
        self._connection.execute(_PUT_PAYMENT, row)

    def payment(self, psp_reference: str) -> Payment | None:
        """The payment, if there is one."""
        row = self._connection.execute(_PAYMENT, (psp_reference,)).fetchone()
        return json.decode(row[0], type=Payment) if row else None

    def payments_under(self, reference: str) -> list[Payment]:
        """The payments that were asked under a merchant's reference, newest first."""
        rows = self._connection.execute(_PAYMENTS_UNDER, (reference,))
        return [json.decode(row[0], type=Payment) for row in rows]

    def put_modification(self, modification: Modification) -> None:
        """Keeps a modification."""
        row = (modification.psp_reference, json.encode(modification))
        self._connection.execute(_PUT_MODIFICATION, row)

    def modification(self, psp_reference: str) -> Modification | None:
        """The modification, if there is one."""
        row = self._connection.execute(_MODIFICATION, (psp_reference,)).fetchone()
        return json.decode(row[0], type=Modification) if row else None

    def put_answer(self, key: str, answer: Answer) -> None:
        """Keeps what was answered under an idempotency key."""
        self._connection.execute(_PUT_ANSWER, (key, json.encode(answer)))

    def answer(self, key: str) -> Answer | None:
        """What was answered under an idempotency key."""
        row = self._connection.execute(_ANSWER, (key,)).fetchone()
        return json.decode(row[0], type=Answer) if row else None

    def add_effect(self, effect: Effect) -> None:
        """Adds to what the auditor sees."""
        self._connection.execute(_ADD_EFFECT, (json.encode(effect),))

    def effects(self) -> list[dict[str, object]]:
        """Everything that moved, in order."""
        rows = self._connection.execute(_EFFECTS)
        return [{"sequence": sequence, **json.decode(effect)} for sequence, effect in rows]

    def add_webhook(self, item: dict[str, object]) -> None:
        """Adds to what is to be told."""
        self._connection.execute(_ADD_WEBHOOK, (json.encode(item),))

    def webhooks(self) -> list[Webhook]:
        """Everything that was ever to be told, in order."""
        return [_webhook(*row) for row in self._connection.execute(_WEBHOOKS)]

    def pending_webhooks(self, limit: int) -> list[Webhook]:
        """The oldest that nobody has taken yet."""
        return [_webhook(*row) for row in self._connection.execute(_PENDING, (limit,))]

    def accept_webhook(self, number: int) -> None:
        """Notes that somebody has taken it."""
        self._connection.execute(_ACCEPT, (number,))


def _webhook(number: int, item: bytes, accepted: int) -> Webhook:
    return Webhook(number, json.decode(item), bool(accepted))
