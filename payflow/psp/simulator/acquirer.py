"""The simulated PSP itself: executes an instruction once per key and remembers what it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from msgspec import json

from payflow.psp.simulator import payments, plans, tokens
from payflow.psp.simulator.answers import (
    KEY_REUSED,
    Accepted,
    ActionRequired,
    Answer,
    Approved,
    Declined,
    Executed,
    Failure,
    NotFound,
    ShutOut,
)
from payflow.psp.simulator.chance import Chance
from payflow.psp.simulator.controls import Controls
from payflow.psp.simulator.database import Database
from payflow.psp.simulator.executions import Execution, Executions, result_of
from payflow.psp.simulator.movements import Movements
from payflow.psp.simulator.payment_store import PaymentStore
from payflow.psp.simulator.payments import Payment, RuleBrokenError, Status
from payflow.psp.simulator.requests import Instruction, Key, Operation, Subject
from payflow.psp.simulator.schedule import Later

NO_PAYMENT = Failure("payment_not_found", "There is no such payment.")
# What a PSP says that takes the payment all the same.
LIE = Failure("acquirer_error")


@dataclass(frozen=True, slots=True)
class _Call:
    """A request that is executed now."""

    operation: Operation
    asked: Instruction
    execution: int
    now: datetime
    chance: Chance

    def about(self, payment_id: str, identifier: str | None = None) -> Subject:
        """What is spoken of; ``identifier`` is the payment's unless another is given."""
        known_as = payment_id if identifier is None else identifier
        return Subject(self.operation, self.asked, self.execution, payment_id, known_as)


class Acquirer:
    """Takes one request at a time: nothing in here waits, so two with one key never run side by side."""

    def __init__(
        self,
        database: Database,
        controls: Controls,
        executions: Executions,
        payments: PaymentStore,
        movements: Movements,
        new_id: Callable[[], str],
    ) -> None:
        """``new_id`` answers a string that it has never answered before."""
        self._database = database
        self._controls = controls
        self._executions = executions
        self._payments = payments
        self._movements = movements
        self._new_id = new_id

    def execute(self, operation: Operation, asked: Instruction) -> Answer:
        """Executes the instruction, or answers again what a repeat of it was answered.

        Outside the key window a repeat is executed again, as it would be at a real PSP.
        """
        behaviour, now = self._controls.behaviour, self._controls.now()
        request = json.encode((operation, asked))
        with self._database.transaction():
            if self._executions.is_shut_out(asked):
                return ShutOut()
            last = self._executions.last(asked)
            if last and now < last.executed_at + behaviour.key_window:
                return last.answer if last.request == request else KEY_REUSED
            execution = last.execution + 1 if last else 1
            chance = Chance(behaviour.seed, asked.reference, execution)
            call = _Call(operation, asked, execution, now, chance)
            subject, answer = self._carry_out(call)
            self._executions.add(_execution(call, subject, answer), request, answer)
            return answer

    def look_up(self, key: Key) -> Executed | ShutOut | NotFound:
        """What became of ``key``: the truth, even where it was never answered or is long ago."""
        if outcome := self._executions.outcome(key):
            return outcome
        return ShutOut() if self._executions.is_shut_out(key) else NotFound()

    def shut_out(self, key: Key) -> Executed | ShutOut:
        """Shuts ``key`` out for good, unless it was executed: then answers what look_up would."""
        with self._database.transaction():
            if outcome := self._executions.outcome(key):
                return outcome
            self._executions.shut_out(key)
            return ShutOut()

    def _carry_out(self, call: _Call) -> tuple[Subject, Executed]:
        if call.operation is Operation.AUTHORIZE:
            return self._open(call)
        payment = self._payments.find(call.asked, call.asked.payment_id)
        if payment is None:
            subject = call.about("")
            return subject, self._movements.decline(subject, NO_PAYMENT, call.now)
        if call.operation is Operation.CONFIRM:
            return self._confirm(call, payment)
        return self._modify(call, payment)

    def _open(self, call: _Call) -> tuple[Subject, Executed]:
        behaviour, method = self._controls.behaviour, tokens.method(call.asked.payment_method)
        payment = payments.opened(f"sim_pay_{self._new_id()}", call.asked)
        subject = call.about(payment.id)
        plan = plans.authorization(behaviour, method, call.chance, payment.sale)
        if plan.late:
            self._movements.later(
                subject, Later.EXECUTED_AFTER_ALL, behaviour.late_success.after_s, call.now, plan
            )
        if plan.decline or plan.late:
            self._payments.put(call.asked, payments.declined(payment))
            failure = Failure(plan.decline) if plan.decline else LIE
            return subject, self._movements.decline(subject, failure, call.now)
        if method.challenge:
            self._payments.put(call.asked, payment)
            return subject, ActionRequired(payment.id, f"https://simulator.invalid/3ds/{payment.id}")
        return subject, self._movements.approve(subject, payment, call.now, plan)

    def _confirm(self, call: _Call, payment: Payment) -> tuple[Subject, Executed]:
        subject = call.about(payment.id)
        try:
            payments.require_confirmable(payment, call.asked)
        except RuleBrokenError as broken:
            return subject, self._movements.decline(subject, broken.failure, call.now)
        if payment.payer_acted:
            return subject, _after_the_payer(payment)
        method = tokens.method(payment.payment_method)
        plan = plans.confirmation(self._controls.behaviour, method, call.chance, payment.sale)
        if plan.decline:
            self._payments.put(call.asked, payments.declined(payment))
            return subject, self._movements.decline(subject, Failure(plan.decline), call.now)
        return subject, self._movements.approve(subject, payment, call.now, plan)

    def _modify(self, call: _Call, payment: Payment) -> tuple[Subject, Executed]:
        try:
            payments.modified(call.operation, payment, call.asked, call.now)
        except RuleBrokenError as broken:
            subject = call.about(payment.id)
            return subject, self._movements.decline(subject, broken.failure, call.now)
        is_refund = call.operation is Operation.REFUND
        subject = call.about(payment.id, f"sim_ref_{self._new_id()}" if is_refund else None)
        return subject, self._allowed(call, subject, payment)

    def _allowed(self, call: _Call, subject: Subject, payment: Payment) -> Executed:
        behaviour, method = self._controls.behaviour, tokens.method(payment.payment_method)
        plan = plans.modification(call.operation, behaviour, method, call.chance)
        if plan.late:
            self._movements.later(subject, Later.FINISHED, behaviour.deferred.after_s, call.now, plan)
            return Accepted(subject.id)
        if plan.decline:
            return self._movements.decline(subject, Failure(plan.decline), call.now)
        return self._movements.modify(subject, payment, call.now, call.now, plan)


def _after_the_payer(payment: Payment) -> Approved | Declined:
    """What has moved already is answered, and moves no second time."""
    if payment.status is Status.DECLINED:
        return Declined(payment.id, Failure("challenge_failed"))
    return Approved(payment.id, payment.expires_at)


def _execution(call: _Call, subject: Subject, answer: Executed) -> Execution:
    operation: str = call.operation
    if call.operation in (Operation.AUTHORIZE, Operation.CONFIRM):
        operation = "sale" if call.asked.sale else Operation.AUTHORIZE
    return Execution(
        sequence=0,
        executed_at=call.now,
        psp_account=call.asked.psp_account,
        merchant=call.asked.merchant,
        reference=call.asked.reference,
        execution=call.execution,
        operation=operation,
        payment_id=subject.payment_id,
        id=answer.id,
        amount=call.asked.amount,
        currency=call.asked.currency,
        result=result_of(answer),
    )
