"""A payment as everybody has it: its merchant, the books, the PSP and the inbox of its webhooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.audit import webhooks_of
from tests.psps import Holdings, Psp, silent
from tests.shops import Fields, Shop
from tests.waiting import wait_until

AMOUNTS = ("authorized_amount", "captured_amount", "refunded_amount", "refund_pending_amount")
SUMS = ("posted", "pending_debits", "pending_credits")


@dataclass(frozen=True, slots=True)
class Position:
    """Where a payment stands.

    ``amounts`` are the intent's AMOUNTS, ``books`` the SUMS that are not all zero by an account's role.
    """

    status: str
    amounts: tuple[int, ...] = (0, 0, 0, 0)
    books: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    at_psp: Holdings = field(default_factory=Holdings)


@dataclass(frozen=True, slots=True)
class TrackedPayment:
    """The only payment of its shop, whose only PSP takes it."""

    id: str
    shop: Shop
    psp: Psp
    database_url: str

    def authorize(self, **more: str) -> Fields:
        """Asks for it, and has webhooks come behind the answer."""
        with silent(self.psp):
            return self.shop.authorize(self.id, **more)

    def goes(self, ask: Callable[[], Fields], meanwhile: Position, then: Position) -> Fields:
        """Asks, and compares where that leads to; answers what was answered.

        A PSP that tells later leaves it at ``meanwhile`` until its webhook comes.
        """
        with silent(self.psp):
            answer = ask()
            assert self.position() == (meanwhile if self.psp.tells_later else then)
        self.settle()
        assert self.position() == then
        return answer

    def position(self) -> Position:
        """Where it stands now."""
        intent = self.shop.intent(self.id)
        return Position(
            intent["status"],
            tuple(intent[name] for name in AMOUNTS),
            self._books(),
            self.psp.holdings(self.id),
        )

    def settle(self) -> None:
        """Waits until the PSP has told everything and all of it has been worked off."""
        self.psp.settle()
        wait_until(lambda: all(one["state"] != "PENDING" for one in self.webhooks()))

    def webhooks(self) -> list[dict[str, Any]]:
        """What the inbox has of it."""
        return webhooks_of(self.database_url, self.id)

    def webhooks_applied(self) -> list[bool]:
        """Whether each webhook was news, oldest first; all of them fitted."""
        webhooks = self.webhooks()
        assert {one["state"] for one in webhooks} == {"APPLIED"}, webhooks
        return [one["detail"] == "" for one in webhooks]

    def _books(self) -> dict[str, tuple[int, ...]]:
        trial = self.shop.trial_balance()
        assert all(one["difference"] == 0 for one in trial["totals"]), trial
        sums = {one["account_id"]: tuple(one[name] for name in SUMS) for one in trial["balances"]}
        of_psp = f":{self.psp.name}:USD"
        assert all(name.startswith("sys:") and name.endswith(of_psp) for name in sums), sums
        return {name[len("sys:") : -len(of_psp)]: each for name, each in sums.items() if any(each)}
