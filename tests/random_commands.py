"""Random steps, and the commands that they stand for where a core has got to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto

from hypothesis import strategies as st

from payflow.domain import declines
from payflow.domain.endpoint import Endpoint
from payflow.domain.folding.submission import Command, IdempotencyClaim, Submission
from payflow.domain.ids import derive_id
from payflow.domain.intent.commands import (
    ApplyNotice,
    CreateIntent,
    ResumeAttempt,
    ReverseCapture,
    ReverseRefund,
    StartAuthorize,
    StartCancel,
    StartCapture,
    StartRefund,
)
from payflow.domain.intent.state import (
    Attempt,
    CancellationReason,
    CaptureMethod,
    IntentAggregate,
    PaymentIntent,
)
from payflow.domain.intent.status import IntentStatus, RefundStatus
from payflow.domain.merchant.commands import UpdatePspAccount
from payflow.domain.merchant.decide import SIMULATOR
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    Failure,
    NextAction,
    NotExecuted,
    OperationType,
    Outcome,
    Unknown,
)
from payflow.domain.texts import Texts
from tests.core import SECOND, START, Core, outcome_of
from tests.routing_inputs import routed

INTENTS_MAX = 3
CURRENCIES = ("USD", "JPY", "KWD")
PAUSES_S = (-3600, -1, 1, 11, 60, 61, 90_000)
LATE = Failure("rejected_later", "the scheme said no after all")


class Action(Enum):
    """What a step does."""

    CREATE = auto()
    AUTHORIZE = auto()
    CAPTURE = auto()
    CANCEL = auto()
    EXPIRE = auto()
    REFUND = auto()
    FINISH = auto()
    RESUME = auto()
    NOTICE = auto()
    REVERSE_CAPTURE = auto()
    REVERSE_REFUND = auto()
    STRAY = auto()
    CHANGE_FEES = auto()
    SEND_AGAIN = auto()
    WAIT = auto()


FITTING = {
    IntentStatus.CREATED: (
        *(Action.AUTHORIZE, Action.AUTHORIZE, Action.AUTHORIZE),
        *(Action.CANCEL, Action.NOTICE, Action.FINISH),
    ),
    IntentStatus.REQUIRES_ACTION: (Action.AUTHORIZE, Action.CANCEL, Action.NOTICE, Action.NOTICE),
    IntentStatus.PROCESSING: (
        *(Action.FINISH, Action.FINISH, Action.FINISH, Action.FINISH),
        *(Action.RESUME, Action.SEND_AGAIN, Action.WAIT, Action.NOTICE),
    ),
    IntentStatus.AUTHORIZED: (
        *(Action.CAPTURE, Action.CAPTURE, Action.CAPTURE, Action.CAPTURE),
        *(Action.CANCEL, Action.EXPIRE, Action.NOTICE),
    ),
    IntentStatus.CAPTURED: (
        *(Action.REFUND, Action.REFUND, Action.FINISH, Action.FINISH),
        *(Action.REVERSE_REFUND, Action.REVERSE_CAPTURE, Action.NOTICE),
    ),
    IntentStatus.REFUNDED: (Action.REVERSE_REFUND, Action.REFUND, Action.NOTICE),
    IntentStatus.FAILED: (Action.NOTICE, Action.FINISH, Action.SEND_AGAIN, Action.CREATE),
    IntentStatus.CANCELED: (Action.NOTICE, Action.SEND_AGAIN, Action.CREATE),
}

OUTCOMES: tuple[Outcome, ...] = (
    Approved("psp-1", START + timedelta(hours=1)),
    Approved("psp-2"),
    ActionRequired("psp-3", NextAction("redirect", "https://bank.example/")),
    Declined(Failure("card_declined", "no", "05"), "psp-4"),
    Declined(Failure("try_again", "not now", retryable=True)),
    NotExecuted(Failure("psp_unavailable", "never sent", retryable=True)),
    Declined(declines.failure("acquirer_error", "E7"), "psp-5"),
    NotExecuted(declines.failure("psp_unreachable")),
    Accepted("psp-6"),
    Accepted("psp-7", shuts_out=True),
    Unknown("not asked", asked=False),
    Unknown("timed out"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One random choice; numbers pick among what is there, ``percent`` may ask for too much."""

    action: Action | None
    which: int
    percent: int | None = 50
    outcome: Outcome = OUTCOMES[0]
    stale: bool = False
    keyed: bool = True
    other_hash: bool = False


NUMBERS = st.integers(0, 59)
MOST_OUTCOMES = (*OUTCOMES[:2] * 4, *OUTCOMES)
STEPS = st.builds(
    Step,
    st.sampled_from([*[None] * 30, *Action, *[Action.WAIT] * 4]),
    NUMBERS,
    st.sampled_from([None, 1, 30, 50, 60, 60, 100, 120]),
    st.sampled_from(MOST_OUTCOMES),
    st.sampled_from([False, False, False, False, True]),
    st.sampled_from([True, True, True, False]),
    st.sampled_from([False, False, True]),
)

CAPTURED = [
    Step(Action.CREATE, 0),
    Step(Action.AUTHORIZE, 0),
    Step(Action.FINISH, 0),
    Step(Action.CAPTURE, 0, 100),
    Step(Action.FINISH, 0),
]
PARKED = [*CAPTURED[:2], *[Step(Action.FINISH, 0, outcome=OUTCOMES[-1])] * 8]
AUTHORIZED = CAPTURED[:3]
GIVEN_UP = [*CAPTURED[:2], Step(Action.FINISH, 0, 100, OUTCOMES[5])]
STRAYED = [*GIVEN_UP, Step(Action.NOTICE, 0, 60)]
FAILED_OVER = [*CAPTURED[:2], Step(Action.FINISH, 0, 50, OUTCOMES[6])]
FIRST_STRAYED = [*FAILED_OVER, Step(Action.FINISH, 0), Step(Action.NOTICE, 0, 60)]
WAITING_FOR_PAYER = [*CAPTURED[:2], Step(Action.FINISH, 0, outcome=OUTCOMES[2])]
REFUNDING = [*CAPTURED, *[Step(Action.REFUND, 0, 30)] * 2]
REFUNDED = [*CAPTURED, Step(Action.REFUND, 0, 100), Step(Action.FINISH, 0)]
# Most random orders never get that far.
OPENINGS: st.SearchStrategy[list[Step]] = st.sampled_from(
    [
        [],
        PARKED,
        WAITING_FOR_PAYER,
        AUTHORIZED,
        CAPTURED,
        REFUNDING,
        REFUNDED,
        STRAYED,
        FAILED_OVER,
        FIRST_STRAYED,
    ]
)


class Sender:
    """Turns steps into submissions to ``core``; remembers those with keys, to send them again."""

    def __init__(self, core: Core, merchant_ids: Sequence[str]) -> None:
        self._core = core
        self._merchant_ids = merchant_ids
        self._sent: list[Submission] = []

    def submission(self, step: Step) -> Submission | None:
        """The command of a step; None where there is nothing to do it to, or where it only takes time."""
        intents = list(self._core.working.intents.values())
        chosen = intents[step.which % len(intents)] if intents else None
        action = step.action or self._fitting(step, chosen)
        if action is Action.WAIT:
            self._core.turn_clock(self._pause(step, chosen))
            return None
        if action is Action.SEND_AGAIN:
            return self._again(step)
        if action is Action.CHANGE_FEES:
            return self._core.submission(lambda _: self._fees(step))
        if chosen is None or (action is Action.CREATE and len(intents) < INTENTS_MAX):
            return self._remember(self._creation(step))
        command = _COMMANDS[action](chosen, step) if action is not Action.CREATE else None
        if command is None:
            return None
        started = isinstance(command, StartAuthorize | StartCapture | StartCancel | StartRefund)
        claim = self._claim(step) if started else None
        return self._remember(self._core.submission(lambda _: command, claim))

    def _fitting(self, step: Step, chosen: IntentAggregate | None) -> Action:
        if chosen is None or (step.which < 5 and len(self._core.working.intents) < INTENTS_MAX):
            return Action.CREATE
        choices = FITTING.get(chosen.intent.status, (Action.SEND_AGAIN, Action.CREATE))
        return choices[step.which // INTENTS_MAX % len(choices)]

    def _pause(self, step: Step, chosen: IntentAggregate | None) -> timedelta:
        """Often to the very moment at which an attempt is due."""
        attempt = _attempt(chosen, step) if chosen else None
        if attempt is not None and attempt.is_open and step.percent != 50:
            return attempt.due_at - self._core.now
        return timedelta(seconds=PAUSES_S[step.which % len(PAUSES_S)])

    def _creation(self, step: Step) -> Submission:
        return self._core.creation(
            self._merchant_ids[step.which % len(self._merchant_ids)],
            (100, 1, 150, 99_999)[step.which % 4],
            CURRENCIES[step.which % len(CURRENCIES)],
            CaptureMethod.AUTOMATIC if step.which % 5 == 4 else CaptureMethod.MANUAL,
            Texts("tea", {"order": str(step.which)}) if step.which % 2 else Texts(),
            self._claim(step),
        )

    def _fees(self, step: Step) -> UpdatePspAccount:
        merchant_id = self._merchant_ids[step.which % len(self._merchant_ids)]
        return UpdatePspAccount(
            merchant_id,
            SIMULATOR,
            (300, 0, 10_000)[step.which % 3],
            step.which % 7,
            enabled=step.which % 3 != 2,
        )

    def _claim(self, step: Step) -> IdempotencyClaim | None:
        if not step.keyed:
            return None
        key = f"{self._core.name}-{len(self._sent)}"
        return IdempotencyClaim(key, hashlib.sha256(key.encode()).digest())

    def _remember(self, submission: Submission) -> Submission:
        if submission.claim is not None:
            self._sent.append(submission)
        return submission

    def _again(self, step: Step) -> Submission | None:
        """An earlier request again, or another one under an earlier one's key."""
        if not self._sent:
            return None
        earlier = self._sent[-1 - step.which % min(len(self._sent), 4)]
        claim = earlier.claim
        command = earlier.command
        assert claim is not None
        if step.other_hash:
            claim = replace(claim, request_hash=hashlib.sha256(b"another request").digest())
            if step.stale:
                merchant = self._core.working.merchants[command.merchant_id]
                command = CreateIntent(merchant.id, "", 100, "USD")

        def make(identifier: str) -> Command:
            if not isinstance(command, CreateIntent):
                return command
            slot = self._core.working.merchants[command.merchant_id].slot
            return replace(command, intent_id=derive_id("pi", identifier, slot))

        return self._core.submission(make, claim)


def _authorize(aggregate: IntentAggregate, step: Step) -> Command:
    payment_method = "pm_card_mastercard" if step.percent == 60 else ""
    fallbacks = (SECOND,) if step.percent in (None, 50, 100) else ()
    decision = routed(aggregate.intent, SIMULATOR, *fallbacks) if step.which % 2 else None
    return StartAuthorize(
        *_scoped(aggregate), SIMULATOR, payment_method, fallbacks=fallbacks, decision=decision
    )


def _capture(aggregate: IntentAggregate, step: Step) -> Command:
    return StartCapture(*_scoped(aggregate), _share(aggregate.intent.amount, step))


def _cancel(aggregate: IntentAggregate, step: Step) -> Command:
    return StartCancel(*_scoped(aggregate), may_call_psp=not step.stale)


def _expire(aggregate: IntentAggregate, step: Step) -> Command:
    return StartCancel(*_scoped(aggregate), CancellationReason.EXPIRED)


def _refund(aggregate: IntentAggregate, step: Step) -> Command:
    texts = Texts("customer_request", {"case": "7"}) if step.which % 2 else Texts()
    return StartRefund(*_scoped(aggregate), _share(aggregate.intent.captured_amount, step), texts)


def _finish(aggregate: IntentAggregate, step: Step) -> Command | None:
    attempt = _attempt(aggregate, step)
    if attempt is None:
        return None
    late = replace(attempt, fence=attempt.fence - 1) if step.stale else attempt
    command = outcome_of(aggregate.intent.merchant_id, late, step.outcome)
    was_due_at = attempt.due_at if step.which % 4 == 3 else None
    return replace(command, fallback="" if step.percent == 100 else SECOND, was_due_at=was_due_at)


def _resume(aggregate: IntentAggregate, step: Step) -> Command | None:
    attempt = _attempt(aggregate, step)
    if attempt is None:
        return None
    fence = attempt.fence + (step.percent == 60)
    return ResumeAttempt(*_scoped(aggregate), attempt.id, fence, early=step.which % 3 == 0)


def _notice(aggregate: IntentAggregate, step: Step) -> Command | None:
    """What a PSP says of any attempt, or of the payment as a whole; sometimes it does not fit."""
    intent, attempts = aggregate.intent, list(aggregate.attempts.values())
    if not attempts:
        return None
    about = attempts[step.which // 7 % len(attempts)]
    outcome = step.outcome
    if isinstance(outcome, Approved) and step.percent in (None, 60) and intent.psp_payment_id:
        outcome = replace(outcome, psp_id=intent.psp_payment_id)
    notice = Notice(
        about.operation,
        outcome,
        about.psp_key,
        intent.psp_payment_id,
        about.amount + (step.percent == 120),
        about.currency,
        after_success=step.stale,
    )
    if step.percent == 1:
        notice = replace(notice, operation=OperationType.CANCEL, psp_key="", amount=None)
    credential_ref = "B" if (about.psp_account_id == SECOND) is not (step.percent == 30) else ""
    keys = {one.idempotency_key for one in attempts if one.idempotency_key} if step.keyed else ()
    return ApplyNotice(
        *_scoped(aggregate),
        notice,
        Endpoint(SIMULATOR, credential_ref),
        tuple(one.refund_id for one in attempts if one.refund_id),
        tuple(sorted(keys)),
    )


def _stray(aggregate: IntentAggregate, step: Step) -> Command:
    return StartCapture(aggregate.intent.merchant_id, f"{aggregate.intent.id[:-1]}#")


def _reverse_capture(aggregate: IntentAggregate, step: Step) -> Command:
    return ReverseCapture(*_scoped(aggregate), LATE)


def _reverse_refund(aggregate: IntentAggregate, step: Step) -> Command | None:
    refunds = sorted(
        aggregate.refunds.values(), key=lambda one: (one.status is not RefundStatus.REFUNDED, one.id)
    )
    return ReverseRefund(*_scoped(aggregate), refunds[0].id, LATE) if refunds else None


def _scoped(aggregate: IntentAggregate) -> tuple[str, str]:
    intent: PaymentIntent = aggregate.intent
    return intent.merchant_id, intent.id


def _share(amount: int, step: Step) -> int | None:
    return None if step.percent is None else max(1, amount * step.percent // 100)


def _attempt(aggregate: IntentAggregate, step: Step) -> Attempt | None:
    """One that is open, if there is one; else one that has ended."""
    attempts = list(aggregate.attempts.values())
    still_open = [attempt for attempt in attempts if attempt.is_open]
    candidates = still_open or attempts
    return candidates[step.which // 7 % len(candidates)] if candidates else None


_COMMANDS: dict[Action, Callable[[IntentAggregate, Step], Command | None]] = {
    Action.AUTHORIZE: _authorize,
    Action.CAPTURE: _capture,
    Action.CANCEL: _cancel,
    Action.EXPIRE: _expire,
    Action.REFUND: _refund,
    Action.FINISH: _finish,
    Action.RESUME: _resume,
    Action.NOTICE: _notice,
    Action.STRAY: _stray,
    Action.REVERSE_CAPTURE: _reverse_capture,
    Action.REVERSE_REFUND: _reverse_refund,
}
