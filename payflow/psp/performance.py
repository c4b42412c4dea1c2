"""How well PSP accounts have done lately, as this process has seen it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple

from payflow.domain.declines import is_user_fault
from payflow.domain.merchant.state import PspAccount
from payflow.domain.psp_outcome import Approved, Declined, NotExecuted, Outcome, Unknown
from payflow.domain.routing.candidate import PER_MILLION
from payflow.domain.routing.windows import Window, observe

MERCHANTS_MAX = 10_000


# What is known of an account: samples, success_ppm and latency_ms as in Candidate.
Observed = tuple[int, int, int]


class _Known(NamedTuple):
    """A window with its rates, which do not change while it fades."""

    window: Window
    success_ppm: int
    latency_ms: int


class _Merchant:
    """One merchant's accounts. Readers need no lock: what is known of one is replaced, never changed."""

    def __init__(self) -> None:
        self.seen = 0
        self.accounts: dict[str, _Known] = {}


class Performance:
    """Learns from authorizations; any number of threads may teach and ask it."""

    def __init__(self, merchants_max: int = MERCHANTS_MAX) -> None:
        self._merchants_max = merchants_max
        self._merchants: OrderedDict[str, _Merchant] = OrderedDict()
        self._lock = threading.Lock()

    def learn(self, account: PspAccount, outcome: Outcome, elapsed_s: float, at: datetime) -> None:
        """Takes note of how an authorization went; of what says nothing of the PSP, it takes none."""
        succeeded = was_success(outcome)
        if succeeded is None:
            return
        with self._lock:
            merchant = self._merchants.setdefault(account.merchant_id, _Merchant())
            # Whoever was not heard of for the longest is first in line to be forgotten. Readers always find
            # the merchant: it is moved, never taken out and put back.
            self._merchants.move_to_end(account.merchant_id)
            if len(self._merchants) > self._merchants_max:
                self._merchants.popitem(last=False)
            merchant.seen += 1
            before = merchant.accounts.get(account.id)
            window = observe(
                before and before.window, succeeded, elapsed_s * 1_000, merchant.seen, at.timestamp()
            )
            merchant.accounts[account.id] = _known(window)

    def of_merchant(self, merchant_id: str, at: datetime) -> dict[str, Observed]:
        """What is known of a merchant's accounts, by id, without those of which nothing is known."""
        merchant = self._merchants.get(merchant_id)
        if merchant is None:
            return {}
        seen, at_s, observed = merchant.seen, at.timestamp(), {}
        for account_id, (window, success_ppm, latency_ms) in merchant.accounts.copy().items():
            samples = round(window.samples * window.kept(seen, at_s))
            if samples:
                observed[account_id] = (samples, success_ppm, latency_ms)
        return observed


def was_success(outcome: Outcome) -> bool | None:
    """Whether an authorization speaks for the PSP; None where it speaks neither for it nor against it.

    One that waits for the payer counts when it is resumed.
    """
    match outcome:
        case Approved():
            return True
        case Declined() | NotExecuted():
            return None if is_user_fault(outcome.failure) else False
        case Unknown():
            return False
        case _:
            return None


def _known(window: Window) -> _Known:
    return _Known(
        window,
        round(window.approved / window.samples * PER_MILLION),
        round(window.latency_ms / window.samples),
    )
