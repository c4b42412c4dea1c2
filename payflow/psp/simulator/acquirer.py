"""The simulated PSP itself: executes an instruction once per key and remembers what it did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal, assert_never

from msgspec import Struct, json

from payflow.psp.simulator import payments
from payflow.psp.simulator.answers import (
    KEY_REUSED,
    ActionRequired,
    Answer,
    Approved,
    Declined,
    Executed,
    Failure,
    NotFound,
    ShutOut,
)
from payflow.psp.simulator.behaviour import Behaviour
from payflow.psp.simulator.cards import card
from payflow.psp.simulator.database import Database, Execution
from payflow.psp.simulator.payments import Payment, RuleBrokenError, Status
from payflow.psp.simulator.requests import Instruction, Key, Operation

NO_PAYMENT = Failure("payment_not_found", "There is no such payment.", retryable=False)

Modification = Literal[Operation.CONFIRM, Operation.CAPTURE, Operation.CANCEL, Operation.REFUND]


class _Done(Struct, frozen=True):
    """What an instruction came to: the answer, and the movement as the list of effects shows it."""

    answer: Executed
    operation: str
    payment_id: str
    amount: int
    currency: str


class Acquirer:
    """Takes one request at a time: nothing in here waits, so two with one key never run side by side."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], new_id: Callable[[], str], behaviour: Behaviour
    ) -> None:
        """``now`` answers aware UTC times, ``new_id`` a string that it has never answered before."""
        self._database = database
        self._now = now
        self._new_id = new_id
        self.behaviour = behaviour

    def execute(self, operation: Operation, asked: Instruction) -> Answer:
        """Executes the instruction, or answers again what a repeat of it was answered.

        Outside the key window a repeat is executed again, as it would be at a real PSP.
        """
        now = self._now() + self.behaviour.clock_offset
        request = json.encode((operation, asked))
        with self._database.transaction():
            if self._database.is_shut_out(asked):
                return ShutOut()
            last = self._database.last_execution(asked)
            if last and now < last.executed_at + self.behaviour.key_window:
                return last.answer if last.request == request else KEY_REUSED
            done = self._perform(operation, asked, now)
            execution = _execution(asked, done, last.execution + 1 if last else 1, now)
            self._database.add_execution(execution, request, done.answer)
            return done.answer

    def look_up(self, key: Key) -> Executed | ShutOut | NotFound:
        """What became of ``key``: the truth, even where it was never answered or is long ago."""
        if answer := self._database.telling_answer(key):
            return answer
        return ShutOut() if self._database.is_shut_out(key) else NotFound()

    def shut_out(self, key: Key) -> Executed | ShutOut:
        """Shuts ``key`` out for good, unless it was executed: then answers what look_up would."""
        with self._database.transaction():
            if answer := self._database.telling_answer(key):
                return answer
            self._database.shut_out(key)
            return ShutOut()

    def executions(self, after: int, limit: int, moved_only: bool) -> list[Execution]:
        """Up to ``limit`` executed requests with a greater sequence than ``after``, in order."""
        return self._database.executions(after, limit, moved_only)

    def _perform(self, operation: Operation, asked: Instruction, now: datetime) -> _Done:
        if operation is Operation.AUTHORIZE:
            return self._open(asked, now)
        payment = self._database.payment(asked, asked.payment_id)
        if payment is None:
            return _Done(Declined("", NO_PAYMENT), operation, "", asked.amount, asked.currency)
        try:
            return self._change(operation, payment, asked, now)
        except RuleBrokenError as broken:
            answer = Declined(payment.id, broken.failure)
            return _Done(answer, operation, payment.id, asked.amount, asked.currency)

    def _open(self, asked: Instruction, now: datetime) -> _Done:
        presented = card(asked.payment_method)
        payment_id = f"sim_pay_{self._new_id()}"
        payment = payments.opened(payment_id, presented, asked, now, self.behaviour.authorization_ttl)
        self._database.put_payment(asked, payment)
        if presented.failure:
            return _authorized(payment, Declined(payment.id, presented.failure))
        if payment.status is Status.REQUIRES_ACTION:
            url = f"https://simulator.invalid/3ds/{payment.id}"
            return _authorized(payment, ActionRequired(payment.id, url))
        return _authorized(payment, Approved(payment.id, payment.expires_at))

    def _change(self, operation: Modification, payment: Payment, asked: Instruction, now: datetime) -> _Done:
        answered_id = payment.id
        match operation:
            case Operation.CONFIRM:
                changed = payments.confirmed(payment, asked, now, self.behaviour.authorization_ttl)
                self._database.put_payment(asked, changed)
                return _authorized(changed, Approved(changed.id, changed.expires_at))
            case Operation.CAPTURE:
                changed, amount = payments.captured(payment, asked, now), asked.amount
            case Operation.CANCEL:
                changed, amount = payments.canceled(payment), _held(payment)
            case Operation.REFUND:
                changed, amount = payments.refunded(payment, asked), asked.amount
                answered_id = f"sim_ref_{self._new_id()}"
            case _:
                assert_never(operation)
        self._database.put_payment(asked, changed)
        return _Done(Approved(answered_id), operation, payment.id, amount, payment.currency)


def _authorized(payment: Payment, answer: Executed) -> _Done:
    operation = "sale" if payment.sale else Operation.AUTHORIZE
    return _Done(answer, operation, payment.id, payment.amount, payment.currency)


def _held(payment: Payment) -> int:
    return payment.amount if payment.status is Status.AUTHORIZED else 0


def _execution(asked: Instruction, done: _Done, execution: int, now: datetime) -> Execution:
    return Execution(
        sequence=0,
        executed_at=now,
        psp_account=asked.psp_account,
        merchant=asked.merchant,
        reference=asked.reference,
        execution=execution,
        operation=done.operation,
        payment_id=done.payment_id,
        id=done.answer.id,
        amount=done.amount,
        currency=done.currency,
        result=str(done.answer.__struct_config__.tag),
    )
