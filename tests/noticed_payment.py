"""One payment that PSPs speak of, in memory."""

from __future__ import annotations

from dataclasses import replace

from payflow.domain import declines
from payflow.domain.endpoint import Endpoint
from payflow.domain.folding.submission import Applied
from payflow.domain.intent.commands import (
    ApplyNotice,
    RecordOutcome,
    StartAuthorize,
    StartCapture,
    StartRefund,
)
from payflow.domain.intent.state import (
    Attempt,
    CaptureMethod,
    PaymentIntent,
)
from payflow.domain.ledger.account import Balance
from payflow.domain.merchant.decide import SIMULATOR
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import (
    ActionRequired,
    Approved,
    Declined,
    NextAction,
    Outcome,
)
from tests.core import SECOND, Core, outcome_of

AMOUNT = 10_000
ENDPOINTS = {SIMULATOR: Endpoint(SIMULATOR, ""), SECOND: Endpoint(SIMULATOR, "B")}
APPROVED = Approved("psp-1")
DECLINED = Declined(declines.failure("card_declined"))
ELSEWHERE = Declined(declines.failure("acquirer_error"))
CHALLENGE = ActionRequired("psp-1", NextAction("redirect_to_url", "https://bank.example/"))


class Payment:
    """One payment at two PSPs, moved on by hand."""

    def __init__(self, capture_method: CaptureMethod = CaptureMethod.MANUAL) -> None:
        self.core = Core("notices")
        self.core.add_merchant("shop")
        self.core.fold(self.core.creation("shop", AMOUNT, capture_method=capture_method))
        [self.scoped] = self.core.working.intents

    @property
    def intent(self) -> PaymentIntent:
        return self.core.aggregate(*self.scoped).intent

    @property
    def attempts(self) -> list[Attempt]:
        return list(self.core.aggregate(*self.scoped).attempts.values())

    def authorize(self, *outcomes: Outcome) -> None:
        """Each next outcome is the fallback's."""
        self.core.apply(StartAuthorize(*self.scoped, SIMULATOR, fallbacks=(SECOND,)))
        for outcome in outcomes:
            self.finish(outcome)

    def finish(self, outcome: Outcome) -> Applied:
        """The outcome of what is open."""
        [attempt] = [one for one in self.attempts if one.is_open]
        command: RecordOutcome = outcome_of("shop", attempt, outcome)
        return self.core.apply(replace(command, fallback=SECOND))

    def capture(self, outcome: Outcome, amount: int | None = None) -> None:
        self.core.apply(StartCapture(*self.scoped, amount))
        self.finish(outcome)

    def refund(self, outcome: Outcome, amount: int | None = None) -> None:
        self.core.apply(StartRefund(*self.scoped, amount))
        self.finish(outcome)

    def command(self, notice: Notice, account: str = SIMULATOR) -> ApplyNotice:
        refunds = tuple(self.core.aggregate(*self.scoped).refunds)
        return ApplyNotice(*self.scoped, notice, ENDPOINTS[account], refunds)

    def hear(self, notice: Notice, account: str = SIMULATOR) -> list[type]:
        """The kinds of events that a notice leads to."""
        return [type(event) for event in self.core.apply(self.command(notice, account)).events]

    def about(self, number: int, outcome: Outcome, after_success: bool = False) -> Notice:
        """A notice about the attempt with this number, from 0."""
        attempt = self.attempts[number]
        return Notice(
            attempt.operation,
            outcome,
            attempt.psp_key,
            self.intent.psp_payment_id,
            attempt.amount,
            attempt.currency,
            after_success,
        )

    def balance(self, role: str, account: str = SIMULATOR) -> Balance:
        return self.core.working.books["shop"].balances[f"sys:{role}:{account}:USD"]
