"""Resolves unknown payments as soon as their PSP is back, however long their next check is off.

A round looks some of them up; where the PSP answers, it looks up all of that PSP account's. A look-up writes
nothing down: only what the PSP gives a definite answer about is taken over, early, like any other check. One
that stays unknown all the same is taken early less and less often.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from payflow.commands.ports import Ports
from payflow.commands.psp_calling import answers_about
from payflow.commands.recover_attempt import recover_attempt
from payflow.domain.endpoint import Endpoint
from payflow.domain.folding.submission import DueCall
from payflow.domain.instants import EPOCH
from payflow.domain.intent.commands import ResumeAttempt
from payflow.domain.intent.state import Attempt, AttemptState
from payflow.domain.merchant.state import PspAccount
from payflow.domain.resources import OpenAttempt
from server.worker.side_by_side import CONCURRENT_MAX, READ_TIMEOUT_S, background_call, side_by_side

PAGE = 200
PAGES_MAX = 10
# Not one, which may be the one that a PSP chokes on.
FIRST_ASKED = 3
# A PSP that answers look-ups and nothing else is spared repeats. One that is back for good is to have told
# within a minute all the same.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (10, 25, 40))
REMEMBERED_MAX = 100_000
BEFORE_ALL = (EPOCH, "")


@dataclass(frozen=True, slots=True)
class Waiting:
    """An attempt whose outcome is unknown, and where it was made."""

    merchant_id: str
    attempt: Attempt
    account: PspAccount


class Expediting:
    """A round takes up to PAGES_MAX pages of open attempts; the next one goes on behind them."""

    def __init__(self, ports: Ports, stops: Callable[[], bool] = lambda: False) -> None:
        """``stops`` says that nothing new is to be begun."""
        self._ports = ports
        self._stops = stops
        self._after = BEFORE_ALL
        self._taken: dict[str, tuple[int, datetime]] = {}

    def round(self) -> int:
        """Takes over what PSPs give a definite answer about, and says how many that were."""
        by_endpoint: defaultdict[Endpoint, list[Waiting]] = defaultdict(list)
        for waiting in self._unknown():
            by_endpoint[waiting.account.endpoint].append(waiting)
        answered = self._answered(one for waiting in by_endpoint.values() for one in waiting[:FIRST_ASKED])
        back = {one.account.endpoint for one in answered}
        for endpoint in back:
            self._ports.gate.answered(endpoint)
        answered += self._answered(one for endpoint in back for one in by_endpoint[endpoint][FIRST_ASKED:])
        side_by_side([partial(self._recover, one) for one in answered], self._stops)
        return len(answered)

    def _unknown(self) -> Iterable[Waiting]:
        now = self._ports.clock.now()
        for _ in range(PAGES_MAX):
            page = self._ports.attempts.open("", now, self._after, PAGE, time.monotonic() + READ_TIMEOUT_S)
            for one in page:
                if not self._may_be_taken(one.attempt, now):
                    continue
                if account := self._account(one):
                    yield Waiting(one.merchant_id, one.attempt, account)
            if len(page) < PAGE:
                self._after = BEFORE_ALL
                return
            self._after = (page[-1].attempt.started_at, page[-1].attempt.id)

    def _may_be_taken(self, attempt: Attempt, now: datetime) -> bool:
        times, at = self._taken.get(attempt.id, (0, now))
        pause = PAUSES[min(times, len(PAUSES)) - 1] if times else timedelta(0)
        return attempt.state is AttemptState.UNKNOWN and at + pause <= now

    def _account(self, one: OpenAttempt) -> PspAccount | None:
        """Where the PSP can be asked; None elsewhere."""
        connector = self._ports.connectors.get(one.attempt.connector)
        if connector is None or not connector.capabilities.looks_up:
            return None
        merchant = self._ports.directory.find(one.merchant_id, time.monotonic() + READ_TIMEOUT_S)
        return merchant.psp_accounts.get(one.attempt.psp_account_id) if merchant else None

    def _answered(self, waiting: Iterable[Waiting]) -> list[Waiting]:
        asked = list(waiting)
        with ThreadPoolExecutor(CONCURRENT_MAX) as executor:
            definite = list(executor.map(self._answers_about, asked))
        return [one for one, answers in zip(asked, definite, strict=True) if answers]

    def _answers_about(self, one: Waiting) -> bool:
        if self._stops():
            return False
        deadline = time.monotonic() + READ_TIMEOUT_S
        view = self._ports.payments.payment_intent(one.merchant_id, one.attempt.payment_intent_id, deadline)
        return view is not None and answers_about(self._ports, DueCall(one.attempt, view.intent, one.account))

    def _recover(self, one: Waiting) -> None:
        attempt = one.attempt
        if len(self._taken) >= REMEMBERED_MAX:
            self._taken.clear()
        times, _ = self._taken.get(attempt.id, (0, None))
        self._taken[attempt.id] = times + 1, self._ports.clock.now()
        command = ResumeAttempt(
            one.merchant_id, attempt.payment_intent_id, attempt.id, attempt.fence, early=True
        )
        recover_attempt(self._ports, background_call("worker:recovery", attempt.id), command)
