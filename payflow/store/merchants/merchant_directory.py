"""Finds merchants by id or by the slot that ids end in, mostly from memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from payflow.domain.merchant.state import Merchant
from payflow.store import rows
from payflow.store.database.columns import MERCHANT, PSP_ACCOUNT
from payflow.store.database.read_pool import ReadPool

ONE_MERCHANT = f"SELECT {MERCHANT} FROM merchants WHERE merchant_id = %s"
MERCHANT_OF_SLOT = "SELECT merchant_id FROM merchants WHERE slot = %s"
MERCHANTS = f"SELECT {MERCHANT} FROM merchants WHERE merchant_id > %s ORDER BY merchant_id LIMIT %s"
PSP_ACCOUNTS = f"SELECT {PSP_ACCOUNT} FROM psp_accounts WHERE merchant_id = %s"

FRESH_S = 2.0
CACHED_MAX = 10_000


class MerchantDirectory:
    """Slots never change hands and are kept; a merchant is read again when it is older than FRESH_S.

    What it says of PSP accounts only guides routing: the commit checks it again.
    """

    def __init__(self, pool: ReadPool, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._elapsed_s = elapsed_s
        self._slots: dict[int, str] = {}
        self._merchants: dict[str, tuple[float, Merchant]] = {}

    def merchant_id_of(self, slot: int, deadline: float) -> str | None:
        """Whose slot it is; None when it is nobody's."""
        owner = self._slots.get(slot)
        if owner is None and (row := self._pool.one(MERCHANT_OF_SLOT, (slot,), deadline)):
            _make_room(self._slots)
            owner = self._slots[slot] = row["merchant_id"]
        return owner

    def find(self, merchant_id: str, deadline: float) -> Merchant | None:
        """The merchant with its PSP accounts as of at most FRESH_S ago."""
        read_at, cached = self._merchants.get(merchant_id, (0.0, None))
        if cached is not None and self._elapsed_s() - read_at < FRESH_S:
            return cached
        return self.read(merchant_id, deadline)

    def read(self, merchant_id: str, deadline: float) -> Merchant | None:
        """The merchant with its PSP accounts as of now."""
        found, accounts = self._pool.snapshot(
            [(ONE_MERCHANT, (merchant_id,)), (PSP_ACCOUNTS, (merchant_id,))], deadline
        )
        if not found:
            return None
        merchant = rows.merchant(found[0], [rows.psp_account(row) for row in accounts])
        self.learn(merchant)
        return merchant

    def learn(self, merchant: Merchant) -> None:
        """Takes note of a merchant that was just committed or read."""
        _make_room(self._merchants)
        self._merchants[merchant.id] = (self._elapsed_s(), merchant)

    def forget(self, merchant_id: str) -> None:
        """Drops what is remembered of a merchant that was just changed."""
        self._merchants.pop(merchant_id, None)

    def page(self, after: str, limit: int, deadline: float) -> list[Merchant]:
        """Merchants by id, without their PSP accounts."""
        return [rows.merchant(row, ()) for row in self._pool.all(MERCHANTS, (after, limit), deadline)]


def _make_room(cache: dict[Any, Any]) -> None:
    # Dropping all of it is rare and cheap to fill again; keeping track of age on every call is neither.
    if len(cache) >= CACHED_MAX:
        cache.clear()
