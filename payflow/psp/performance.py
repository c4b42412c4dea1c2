"""How well PSP accounts have done lately, as this process has seen it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from payflow.domain.declines import is_user_fault
from payflow.domain.psp_outcome import Approved, Declined, NotExecuted, OperationType, Outcome, Unknown
from payflow.domain.routing.candidate import PER_MILLION
from payflow.domain.routing.windows import Window, observe
from payflow.psp.connector import PspCall

MERCHANTS_MAX = 10_000


class Observed(NamedTuple):
    """What is known of an account, in whole numbers; see Candidate."""

    samples: int = 0
    success_ppm: int = 0
    latency_ms: int = 0


NOTHING = Observed()


class _Merchant:
    """One merchant's windows by account; they are replaced, never changed, so that readers need no lock."""

    def __init__(self) -> None:
        self.seen = 0
        self.windows: dict[str, Window] = {}


class Performance:
    """Learns from authorizations; any number of threads may teach and ask it."""

    def __init__(self, merchants_max: int = MERCHANTS_MAX) -> None:
        self._merchants_max = merchants_max
        self._merchants: dict[str, _Merchant] = {}
        self._lock = threading.Lock()

    def learn(self, asked: PspCall, outcome: Outcome, latency_ms: float, at: datetime) -> None:
        """Takes note of what a PSP answered; of what says nothing of the PSP, it takes none."""
        succeeded = was_success(asked, outcome)
        if succeeded is None:
            return
        with self._lock:
            merchant = self._merchants.pop(asked.merchant_id, None) or _Merchant()
            # Whoever was not heard of for the longest is first in line to be forgotten.
            self._merchants[asked.merchant_id] = merchant
            if len(self._merchants) > self._merchants_max:
                del self._merchants[next(iter(self._merchants))]
            merchant.seen += 1
            account_id = asked.psp_account_id
            merchant.windows[account_id] = observe(
                merchant.windows.get(account_id), succeeded, latency_ms, merchant.seen, at
            )

    def of_merchant(self, merchant_id: str, at: datetime) -> Callable[[str], Observed]:
        """Answers what is known of each of a merchant's accounts, by id."""
        merchant = self._merchants.get(merchant_id)
        if merchant is None:
            return lambda account_id: NOTHING
        windows, seen = merchant.windows, merchant.seen

        def known(account_id: str) -> Observed:
            window = windows.get(account_id)
            return NOTHING if window is None else _in_whole_numbers(window.faded(seen, at))

        return known


def was_success(asked: PspCall, outcome: Outcome) -> bool | None:
    """Whether an authorization speaks for the PSP; None where it speaks neither for it nor against it.

    One that waits for the payer counts when it is resumed.
    """
    if asked.operation is not OperationType.AUTHORIZE:
        return None
    match outcome:
        case Approved():
            return True
        case Declined() | NotExecuted():
            return None if is_user_fault(outcome.failure) else False
        case Unknown():
            return False
        case _:
            return None


def _in_whole_numbers(window: Window) -> Observed:
    samples = round(window.samples)
    if samples == 0:
        return NOTHING
    return Observed(
        samples,
        round(window.approved / window.samples * PER_MILLION),
        round(window.latency_ms / window.samples),
    )
