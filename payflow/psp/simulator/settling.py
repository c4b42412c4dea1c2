"""What comes after an answer: an accepted operation is carried out, a success is taken back, a payer acts."""

from __future__ import annotations

from msgspec import json

from payflow.psp.simulator import payments, tokens
from payflow.psp.simulator.answers import Executed, Failure
from payflow.psp.simulator.controls import Controls
from payflow.psp.simulator.database import Database
from payflow.psp.simulator.executions import Executions
from payflow.psp.simulator.movements import Movements
from payflow.psp.simulator.payment_store import PaymentStore
from payflow.psp.simulator.payments import RuleBrokenError, Status
from payflow.psp.simulator.plans import Plan
from payflow.psp.simulator.requests import Instruction, Key, Operation, Subject
from payflow.psp.simulator.schedule import Later, Schedule, Task
from payflow.psp.simulator.webhooks import EventType

_REQUEST: json.Decoder[tuple[Operation, Instruction]] = json.Decoder(tuple[Operation, Instruction])


class NotWaitingError(Exception):
    """No payment with this id waits for its payer."""


class Settling:
    """Changes what an operation has come to, after it was answered."""

    def __init__(
        self,
        database: Database,
        controls: Controls,
        executions: Executions,
        payments: PaymentStore,
        schedule: Schedule,
        movements: Movements,
    ) -> None:
        self._database = database
        self._controls = controls
        self._executions = executions
        self._payments = payments
        self._schedule = schedule
        self._movements = movements

    def settle_next(self) -> bool:
        """Does the one thing that is due for longest; False where nothing is due."""
        with self._database.transaction():
            task = self._schedule.take_due(self._controls.now())
            if task is None:
                return False
            outcome = self._settle(task)
            if outcome is not None:
                self._executions.came_to(task.subject.asked, task.subject.execution, outcome)
            return True

    def payer_acts(self, payment_id: str, succeeds: bool | None) -> Executed:
        """The payer passes the challenge, or fails it; None leaves it to the payment method.

        What it comes to is the outcome of the authorization that asked for it, and is announced. Raises
        NotWaitingError.
        """
        with self._database.transaction():
            found = self._payments.find_by_id(payment_id)
            if found is None or found[1].status is not Status.REQUIRES_ACTION:
                raise NotWaitingError(payment_id)
            key, payment = found
            subject = self._first_subject(key, payment_id)
            method = tokens.method(payment.payment_method)
            if succeeds is None:
                succeeds = method.challenge is not tokens.Challenge.FAILED
            outcome = self._acted(subject, payments.payer_acted(payment), succeeds)
            self._executions.came_to(key, subject.execution, outcome)
            return outcome

    def _acted(self, subject: Subject, payment: payments.Payment, succeeds: bool) -> Executed:
        now = self._controls.now()
        if succeeds:
            return self._movements.approve(subject, payment, now, Plan(), EventType.ACTION_COMPLETED)
        self._payments.put(subject.asked, payments.declined(payment))
        failure = Failure("challenge_failed")
        return self._movements.decline(subject, failure, now, EventType.ACTION_COMPLETED)

    def _first_subject(self, key: Key, payment_id: str) -> Subject:
        last = self._executions.last(key)
        if last is None:
            raise NotWaitingError(payment_id)
        operation, asked = _REQUEST.decode(last.request)
        return Subject(operation, asked, last.execution, payment_id, payment_id)

    def _settle(self, task: Task) -> Executed | None:
        """What the subject has come to; None where it stays as it is."""
        subject, now = task.subject, self._controls.now()
        payment = self._payments.find(subject.asked, subject.payment_id)
        assert payment is not None, f"{subject.payment_id} is gone"
        match task.what:
            case Later.EXECUTED_AFTER_ALL:
                return self._movements.approve(subject, payment, now, task.plan, EventType.LATE_SUCCESS)
            case Later.TAKEN_BACK:
                return self._movements.take_back(subject, payment, now)
            case Later.FINISHED:
                return self._finish(task, payment)

    def _finish(self, task: Task, payment: payments.Payment) -> Executed:
        subject, now = task.subject, self._controls.now()
        if task.plan.decline:
            return self._movements.decline(subject, Failure(task.plan.decline), now)
        try:
            return self._movements.modify(subject, payment, task.answered_at, now, task.plan)
        except RuleBrokenError as broken:
            return self._movements.decline(subject, broken.failure, now)
