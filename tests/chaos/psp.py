"""A PSP in memory: executes a call once per key, lists what moved, and tells of it by notices."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count

from payflow.domain import declines
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    NextAction,
    NotExecuted,
    OperationType,
    Outcome,
    Unknown,
)
from payflow.psp.connector import PspCall
from tests.chaos.evidence import Effect
from tests.chaos.nature import Nature
from tests.chaos.post import Post
from tests.chaos.psp_kinds import PspKind
from tests.chaos.psp_payments import NotAllowedError, Payment, Status

# One for every advice there is, and an unknown one.
DECLINES = (
    "acquirer_error",
    "insufficient_funds",
    "fraud",
    "authentication_required",
    "expired_card",
    "unknown_decline",
)
SHUT_OUT = NotExecuted(declines.failure("psp_key_shut_out"))
LIE = Declined(declines.failure("acquirer_error"))
REFUSED = Declined(declines.failure("invalid_state"))
REJECTED = Declined(declines.failure("not_permitted"))
TRY_LATER = Declined(declines.failure("try_again_later"))
NEXT_ACTION = NextAction("redirect", "https://bank.example/challenge")
UNNAMED = (OperationType.CAPTURE, OperationType.CANCEL)
WAITS_S = (1.0, 8.0, 40.0, 600.0)
# Schemes and banks take their time: whoever waits for a notice has heard of the success by then.
LONG_S = (900.0, 7_200.0, 100_000.0)


@dataclass(slots=True)
class Execution:
    """A call that was executed: what was answered, and what it has come to by now."""

    call: PspCall
    at: datetime
    number: int
    answered: Outcome
    came_to: Outcome
    taken_back: bool = False


@dataclass(slots=True)
class Psp:
    """Takes one call at a time."""

    kind: PspKind
    nature: Nature
    key_window: timedelta
    post: Post
    effects: list[Effect] = field(default_factory=list)
    payments: dict[str, Payment] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    shut_out_keys: set[str] = field(default_factory=set)
    agenda: list[tuple[datetime, int, Callable[[], object]]] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def execute(self, call: PspCall) -> Outcome:
        """Executes a call, or answers a repeat inside the key window as the first time."""
        if call.psp_key in self.shut_out_keys:
            return SHUT_OUT
        now, known = self.nature.clock.now(), self.executions.get(call.psp_key)
        if known is not None and now < known.at + self.key_window:
            return known.answered if known.call == call else Unknown("the key was used for another call")
        execution = Execution(call, now, known.number + 1 if known else 1, REFUSED, REFUSED)
        self.executions[call.psp_key] = execution
        execution.answered = self._carry_out(execution)
        if not isinstance(execution.answered, Accepted):
            execution.came_to = execution.answered
        return execution.answered

    def look_up(self, key: str) -> Outcome | None:
        """What became of a key by now."""
        if key in self.executions:
            return self.executions[key].came_to
        return SHUT_OUT if key in self.shut_out_keys else None

    def shut_out(self, call: PspCall) -> Outcome:
        """Shuts a key out or, where the PSP cannot look up, cancels what it authorized, later."""
        if not self.kind.looks_up:
            if call.operation is not OperationType.AUTHORIZE or call.psp_payment_id:
                return Unknown("only first authorizations can be shut out")
            self._later(self.nature.one_of(WAITS_S[:2]), lambda: self._cancel_by_reference(call.psp_key))
            return Accepted(f"{self.kind.name}-cancel-{next(self._numbers)}")
        known = self.look_up(call.psp_key)
        if known is None:
            self.shut_out_keys.add(call.psp_key)
        return SHUT_OUT if known is None else known

    def act(self) -> None:
        """Does everything that is due by now."""
        while self.agenda and self.agenda[0][0] <= self.nature.clock.now():
            heapq.heappop(self.agenda)[2]()

    def take_later(self, call: PspCall, after_s: float) -> None:
        """A call that is still on its way when nobody waits for it any more."""
        self._later(after_s, lambda: self.execute(call))

    def cancel_by_itself(self, payment: Payment) -> None:
        """Lets go of an authorization without being asked, such as in its own dashboard."""
        if payment.status not in (Status.AUTHORIZED, Status.WAITS_FOR_PAYER):
            return
        held = payment.amount if payment.status is Status.AUTHORIZED else 0
        payment.status = Status.CANCELED
        self._move("", "cancel", payment, held)
        self._tell(payment.reference, Notice(OperationType.CANCEL, Approved(payment.id), "", payment.id))

    def undo_by_itself(self, payment: Payment) -> None:
        """Gives back whatever is held or was taken, as somebody who works for the merchant may have it do."""
        self.cancel_by_itself(payment)
        left = payment.captured - payment.returned - payment.returning
        if payment.status is Status.CAPTURED and left > 0:
            payment.returned += left
            self._move("", "refund", payment, left)
            approved = Approved(self._new_id("ref"))
            self._tell(
                payment.reference,
                Notice(OperationType.REFUND, approved, "", payment.id, left, payment.currency),
            )

    def _carry_out(self, execution: Execution) -> Outcome:
        call = execution.call
        if not call.psp_payment_id:
            return self._open(execution)
        payment = self.payments.get(call.psp_payment_id)
        if payment is None:
            return REFUSED
        if call.operation is OperationType.AUTHORIZE:
            return self._go_on(execution, payment)
        try:
            payment.require(call)
        except NotAllowedError:
            return REFUSED
        if self.kind.finishes_later or self.nature.happens(self.nature.weather.deferred):
            return self._take_in(execution, payment)
        if self.nature.happens(self.nature.weather.modification_declined):
            return self.nature.one_of((REJECTED, TRY_LATER))
        return self._modify(execution, payment)

    def _open(self, execution: Execution) -> Outcome:
        call, weather = execution.call, self.nature.weather
        payment = Payment(self._new_id("pay"), call.psp_key, call.amount, call.currency, call.sale)
        self.payments[payment.id] = payment
        if self.nature.happens(weather.declined):
            return self._decline(execution, payment, self.nature.one_of(DECLINES))
        if self.nature.happens(weather.lied):
            self._later(self.nature.one_of(WAITS_S), lambda: self._confess(execution, payment))
            return LIE
        if self.nature.happens(weather.challenged):
            payment.status = Status.WAITS_FOR_PAYER
            if self.nature.happens(0.6):
                self._later(self.nature.one_of(WAITS_S), lambda: self._payer_acts(execution, payment))
            return ActionRequired(payment.id, NEXT_ACTION)
        return self._approve(execution, payment)

    def _go_on(self, execution: Execution, payment: Payment) -> Outcome:
        """The call for which the payer came back; what moved already moves no second time."""
        if payment.acted:
            stands = payment.status in (Status.AUTHORIZED, Status.CAPTURED)
            return self._approved(payment) if stands else REFUSED
        if payment.status is not Status.WAITS_FOR_PAYER:
            return REFUSED
        if self.nature.happens(self.nature.weather.declined):
            return self._decline(execution, payment, "authentication_failed")
        return self._approve(execution, payment)

    def _payer_acts(self, execution: Execution, payment: Payment) -> None:
        if payment.status is not Status.WAITS_FOR_PAYER:
            return
        payment.acted = True
        if self.nature.happens(self.nature.weather.declined):
            self._decline(execution, payment, "authentication_failed", only_told=True)
        else:
            self._approve(execution, payment, only_told=True)

    def _confess(self, execution: Execution, payment: Payment) -> None:
        self._approve(execution, payment, confessed=True, only_told=True)

    def _approve(
        self, execution: Execution, payment: Payment, confessed: bool = False, only_told: bool = False
    ) -> Outcome:
        payment.approve(self.nature.clock.now())
        payment.confessed = confessed
        operation = "sale" if payment.sale else "authorize"
        self._move(execution.call.psp_key, operation, payment, payment.amount, execution.number, confessed)
        approved = self._approved(payment)
        execution.came_to = approved
        self._tell_of(execution, payment, only_told)
        if payment.sale:
            self._may_fail_later(execution, payment)
        else:
            expires_after_s = self.kind.expires_after.total_seconds()
            self._later(expires_after_s, lambda: self.cancel_by_itself(payment))
        return approved

    def _approved(self, payment: Payment) -> Approved:
        tells = self.kind.tells_expiry and payment.status is Status.AUTHORIZED
        return Approved(payment.id, self.nature.clock.now() + self.kind.expires_after if tells else None)

    def _decline(
        self, execution: Execution, payment: Payment, code: str, only_told: bool = False
    ) -> Declined:
        payment.status = Status.DECLINED
        declined = Declined(declines.failure(code), payment.id)
        execution.came_to = declined
        self._tell_of(execution, payment, only_told)
        return declined

    def _take_in(self, execution: Execution, payment: Payment) -> Accepted:
        call = execution.call
        if call.operation is OperationType.REFUND:
            payment.returning += call.amount
        taken_in = Accepted(self._new_id("mod"))
        execution.came_to = taken_in
        self._later(self.nature.one_of(WAITS_S), lambda: self._finish(execution, payment))
        return taken_in

    def _finish(self, execution: Execution, payment: Payment) -> None:
        if execution.call.operation is OperationType.REFUND:
            payment.returning -= execution.call.amount
        if self.nature.happens(self.nature.weather.fails_in_the_end):
            execution.came_to = self.nature.one_of((REJECTED, TRY_LATER))
        else:
            execution.came_to = self._modify(execution, payment)
        if isinstance(execution.came_to, Declined):
            self._tell_of(execution, payment)

    def _modify(self, execution: Execution, payment: Payment) -> Outcome:
        call = execution.call
        try:
            amount = payment.modify(call)
        except NotAllowedError:
            return REFUSED
        self._move(call.psp_key, call.operation.lower(), payment, amount, execution.number)
        is_refund = call.operation is OperationType.REFUND
        approved = Approved(self._new_id("ref") if is_refund else payment.id)
        execution.came_to = approved
        self._tell_of(execution, payment)
        self._may_fail_later(execution, payment)
        return approved

    def _may_fail_later(self, execution: Execution, payment: Payment) -> None:
        operation = execution.call.operation
        if operation is not OperationType.CANCEL and self.nature.happens(self.nature.weather.fails_later):
            self._later(self.nature.one_of(LONG_S), lambda: self._take_back(execution, payment))

    def _take_back(self, execution: Execution, payment: Payment) -> None:
        call = execution.call
        if call.operation is OperationType.REFUND:
            payment.returned -= call.amount
            self._move(call.psp_key, "refund_failed", payment, call.amount, execution.number)
        elif payment.fail_capture():
            self._move(call.psp_key, "capture_failed", payment, call.amount, execution.number)
        else:
            return
        execution.came_to, execution.taken_back = REJECTED, True
        self._tell_of(execution, payment, only_told=True)

    def _cancel_by_reference(self, key: str) -> None:
        """Cancels what a key authorized; where there is nothing that can be canceled, that proves nothing."""
        payment = next((one for one in self.payments.values() if one.reference == key), None)
        outcome: Outcome = Unknown("nothing was canceled")
        if payment is not None and payment.status in (Status.AUTHORIZED, Status.WAITS_FOR_PAYER):
            held = payment.amount if payment.status is Status.AUTHORIZED else 0
            payment.status = Status.CANCELED
            self._move(key, "cancel", payment, held)
            outcome = SHUT_OUT
        notice = Notice(OperationType.AUTHORIZE, outcome, key, payment.id if payment else "")
        self._tell(key, notice)

    def _tell_of(self, execution: Execution, payment: Payment, only_told: bool = False) -> None:
        """Tells what a call came to; ``only_told`` says that nobody asks about it any more.

        Where a PSP can be asked, a notice tells what is true when it is read, and may get lost.
        """
        if self.kind.looks_up:
            read = partial(self._notice, execution, payment)
            self._send(payment.reference, read, may_be_lost=not only_told)
        else:
            self._tell(payment.reference, self._notice(execution, payment))

    def _notice(self, execution: Execution, payment: Payment) -> Notice:
        call, outcome = execution.call, execution.came_to
        told_as, key = call.operation, call.psp_key
        if call.operation is OperationType.AUTHORIZE and self.kind.names_first_key:
            key = payment.reference
        elif call.operation in UNNAMED and not self.kind.names_keys and isinstance(outcome, Approved):
            # Such a PSP tells of a payment that was captured or canceled, not of the call that did it.
            key = ""
        if execution.taken_back and call.sale and self.kind.names_keys:
            # A sale is one call; such a PSP speaks of its capture as of one that was asked for.
            told_as = OperationType.CAPTURE
        amount = None if call.operation is OperationType.CANCEL else call.amount
        return Notice(told_as, outcome, key, payment.id, amount, call.currency, execution.taken_back)

    def _tell(self, reference: str, notice: Notice) -> None:
        self._send(reference, lambda: notice, may_be_lost=False)

    def _send(self, reference: str, read: Callable[[], Notice], may_be_lost: bool) -> None:
        self.post.send(self.kind.name, reference.rpartition("-")[0], read, may_be_lost)

    def _move(
        self,
        reference: str,
        operation: str,
        payment: Payment,
        amount: int,
        number: int = 1,
        confessed: bool = False,
    ) -> None:
        self.nature.clock.forward()
        moved = (reference, operation, payment.id, amount, payment.currency, number, confessed)
        self.effects.append(Effect(self.nature.clock.now(), self.kind.name, *moved))

    def _later(self, after_s: float, what: Callable[[], object]) -> None:
        due_at = self.nature.clock.now() + timedelta(seconds=after_s)
        heapq.heappush(self.agenda, (due_at, next(self._numbers), what))

    def _new_id(self, kind: str) -> str:
        return f"{self.kind.name}-{kind}-{next(self._numbers)}"
