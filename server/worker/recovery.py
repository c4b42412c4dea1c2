"""Finishes what crashes and time-outs left: due attempts, authorizations and holds that ran out."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from payflow.commands.cancel_payment_intent import cancel_payment_intent
from payflow.commands.ports import Ports
from payflow.commands.recover_attempt import recover_attempt
from payflow.commands.undo_transaction import void_hold
from payflow.domain.intent.commands import ResumeAttempt
from payflow.domain.intent.state import CancellationReason
from payflow.domain.texts import Texts
from payflow.store.payments.due_reader import DueAttempt, DueReader
from server.worker.side_by_side import READ_TIMEOUT_S, background_call, side_by_side

BATCH_MAX = 200


class Recovery:
    """Asks PSPs about attempts whose lease or wait has run out, a batch at a time."""

    def __init__(self, ports: Ports, due: DueReader, stops: Callable[[], bool] = lambda: False) -> None:
        """``stops`` says that nothing new is to be begun."""
        self._ports = ports
        self._due = due
        self._stops = stops

    def attempts(self) -> int:
        """Works off one batch of due attempts and says how many there were."""
        found = self._due.attempts(self._ports.clock.now(), BATCH_MAX, time.monotonic() + READ_TIMEOUT_S)
        side_by_side([partial(self._recover, one) for one in found], self._stops)
        return len(found)

    def authorizations(self) -> int:
        """Cancels one batch of expired authorizations and says how many there were."""
        now = self._ports.clock.now()
        found = self._due.expired_authorizations(now, BATCH_MAX, time.monotonic() + READ_TIMEOUT_S)
        side_by_side([partial(self._expire, *one) for one in found], self._stops)
        return len(found)

    def holds(self) -> int:
        """Voids one batch of ledger holds that have lapsed and says how many there were."""
        now = self._ports.clock.now()
        found = self._due.expired_holds(now, BATCH_MAX, time.monotonic() + READ_TIMEOUT_S)
        side_by_side([partial(self._void, *one) for one in found], self._stops)
        return len(found)

    def _void(self, merchant_id: str, hold_id: str) -> None:
        void_hold(
            self._ports, background_call("worker:holds", hold_id), merchant_id, hold_id, Texts(), expired=True
        )

    def _recover(self, due: DueAttempt) -> None:
        command = ResumeAttempt(due.merchant_id, due.payment_intent_id, due.id, due.fence)
        recover_attempt(self._ports, background_call("worker:recovery", due.id), command)

    def _expire(self, merchant_id: str, intent_id: str) -> None:
        deadline = time.monotonic() + READ_TIMEOUT_S
        view = self._ports.payments.payment_intent(merchant_id, intent_id, deadline)
        if view is not None:
            call = background_call("worker:expiry", intent_id)
            cancel_payment_intent(self._ports, call, view.intent, CancellationReason.EXPIRED)
