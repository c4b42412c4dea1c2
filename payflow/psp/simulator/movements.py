"""Carries out what is allowed: the payment, its effect, its webhook, and what is to follow later.

Every method is called within a transaction of the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from payflow.psp.simulator import payments
from payflow.psp.simulator.announcements import Announce
from payflow.psp.simulator.answers import Approved, Declined, Failure
from payflow.psp.simulator.controls import Controls
from payflow.psp.simulator.effects import Effect, Effects
from payflow.psp.simulator.payment_store import PaymentStore
from payflow.psp.simulator.payments import Payment, Status
from payflow.psp.simulator.plans import Plan
from payflow.psp.simulator.requests import Operation, Subject
from payflow.psp.simulator.schedule import Later, Schedule, Task
from payflow.psp.simulator.webhooks import Event, EventType

_TOLD_AS = {
    Operation.CAPTURE: EventType.CAPTURED,
    Operation.CANCEL: EventType.CANCELED,
    Operation.REFUND: EventType.REFUNDED,
}


class Movements:
    """What moves money, or takes it back, whether it was asked for now or before."""

    def __init__(
        self,
        controls: Controls,
        payments: PaymentStore,
        effects: Effects,
        schedule: Schedule,
        announce: Announce | None,
        new_id: Callable[[], str],
    ) -> None:
        """Without ``announce`` nobody is told; ``new_id`` answers a string that it never answered before."""
        self._controls = controls
        self._payments = payments
        self._effects = effects
        self._schedule = schedule
        self._announce = announce
        self._new_id = new_id

    def approve(
        self,
        subject: Subject,
        payment: Payment,
        now: datetime,
        plan: Plan,
        told_as: EventType | None = None,
    ) -> Approved:
        """Holds the payment's amount, or takes it at once by a sale."""
        approved = payments.approved(payment, now, self._controls.behaviour.authorization_ttl)
        self._payments.put(subject.asked, approved)
        self._move(subject, "sale" if payment.sale else "authorize", payment.amount, payment.currency, now)
        self.tell(subject, told_as or (EventType.CAPTURED if payment.sale else EventType.AUTHORIZED), now)
        self._take_back_later(subject, now, plan)
        return Approved(approved.id, approved.expires_at)

    def modify(
        self, subject: Subject, payment: Payment, allowed_at: datetime, now: datetime, plan: Plan
    ) -> Approved:
        """Captures, cancels or refunds; raises RuleBrokenError where it was not allowed at ``allowed_at``."""
        modified = payments.modified(subject.operation, payment, subject.asked, allowed_at)
        self._payments.put(subject.asked, modified)
        amount = _held(payment) if subject.operation is Operation.CANCEL else subject.asked.amount
        self._move(subject, subject.operation, amount, payment.currency, now)
        self.tell(subject, _TOLD_AS[subject.operation], now)
        self._take_back_later(subject, now, plan)
        return Approved(subject.id)

    def decline(
        self, subject: Subject, failure: Failure, now: datetime, told_as: EventType = EventType.DECLINED
    ) -> Declined:
        """Says no; nothing moves."""
        self.tell(subject, told_as, now)
        return Declined(subject.payment_id, failure)

    def take_back(self, subject: Subject, payment: Payment, now: datetime) -> Declined | None:
        """Takes back a capture, a sale or a refund; None where that is not possible any more."""
        if subject.operation is Operation.REFUND:
            rest, code = payments.refund_failed(payment, subject.asked.amount), "refund_rejected"
            movement, told_as = "refund_failed", EventType.REFUND_FAILED
        else:
            undone = payments.capture_failed(payment)
            if undone is None:
                return None
            rest, code = undone, "capture_rejected"
            movement, told_as = "capture_failed", EventType.CAPTURE_FAILED
        self._payments.put(subject.asked, rest)
        self._move(subject, movement, subject.asked.amount, payment.currency, now)
        self.tell(subject, told_as, now)
        return Declined(payment.id, Failure(code), after_success=True)

    def later(self, subject: Subject, what: Later, after_s: float, now: datetime, plan: Plan) -> None:
        """Plans what happens to ``subject`` after it was answered."""
        task = Task(what, subject, now, plan)
        self._schedule.add(now + timedelta(seconds=after_s), task)

    def tell(self, subject: Subject, told_as: EventType, now: datetime) -> None:
        """Announces what happened to ``subject``."""
        if self._announce is None:
            return
        asked = subject.asked
        event = Event(
            id=f"evt_{self._new_id()}",
            type=told_as,
            happened_at=now,
            psp_account=asked.psp_account,
            merchant=asked.merchant,
            reference=asked.reference,
            operation=subject.operation,
            payment_id=subject.payment_id,
            amount=asked.amount,
            currency=asked.currency,
        )
        self._announce(event)

    def _take_back_later(self, subject: Subject, now: datetime, plan: Plan) -> None:
        if plan.fails_later:
            after_s = self._controls.behaviour.later_failures.after_s
            self.later(subject, Later.TAKEN_BACK, after_s, now, plan)

    def _move(self, subject: Subject, movement: str, amount: int, currency: str, now: datetime) -> None:
        asked = subject.asked
        effect = Effect(
            sequence=0,
            executed_at=now,
            psp_account=asked.psp_account,
            merchant=asked.merchant,
            reference=asked.reference,
            execution=subject.execution,
            operation=movement,
            payment_id=subject.payment_id,
            id=subject.id,
            amount=amount,
            currency=currency,
        )
        self._effects.add(effect)


def _held(payment: Payment) -> int:
    return payment.amount if payment.status is Status.AUTHORIZED else 0
