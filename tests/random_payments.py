"""Random payments through the commit pipeline, with every kind of outcome, from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg

from payflow.domain import declines
from payflow.domain.endpoint import Endpoint
from payflow.domain.errors import Reason
from payflow.domain.fees import FeeSchedule
from payflow.domain.folding.submission import Command, Refused, Submission
from payflow.domain.intent.commands import (
    ApplyNotice,
    ResumeAttempt,
    ReverseCapture,
    ReverseRefund,
    StartAuthorize,
    StartCancel,
)
from payflow.domain.intent.state import (
    Attempt,
    AttemptState,
    CancellationReason,
    CaptureMethod,
    PaymentIntent,
)
from payflow.domain.intent.status import IntentStatus
from payflow.domain.merchant.commands import CreatePspAccount, UpdateMerchant, UpdatePspAccount
from payflow.domain.merchant_webhooks.commands import (
    CreateEndpoint,
    DeleteEndpoint,
    GiveUpEndpoint,
    RotateSecret,
    TryEndpoint,
    UpdateEndpoint,
)
from payflow.domain.merchant_webhooks.state import DisabledReason, EndpointStatus
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
from payflow.domain.routing.commands import SetRoutingRules, StartExperiment, StopExperiment
from payflow.domain.routing.experiment import Arm, Guardrail, StopReason
from payflow.domain.routing.rules import RuleSet, Strategy, Weights
from payflow.domain.texts import Texts
from payflow.store import rows
from payflow.store.commit.committer import Committer
from tests.routing_inputs import routed, rule
from tests.submissions import Till, commit
from tests.waiting import WAIT_S

PSP_ACCOUNTS = ("simulator", "second")
CURRENCIES = ("USD", "JPY", "KWD")
BY_SCORE = RuleSet((rule(Strategy.SCORE),), Weights(cost=100))
ARMS = (Arm("control", 50), Arm("by-score", 50, BY_SCORE))
AUTHORIZATION_LIFE = timedelta(hours=1)
INTENTS_AT_ONCE = 6

INTENTS = "SELECT * FROM payment_intents WHERE merchant_id = %s ORDER BY id"
OPEN_ATTEMPTS = """
    SELECT * FROM psp_attempts
    WHERE merchant_id = %s AND state IN ('RUNNING', 'UNKNOWN', 'ACCEPTED', 'PARKED')
    ORDER BY id
"""
ATTEMPTS = "SELECT * FROM psp_attempts WHERE merchant_id = %s ORDER BY started_at, psp_key"
SUCCEEDED_REFUNDS = """
    SELECT payment_intent_id, min(id) AS id FROM refunds
    WHERE merchant_id = %s AND status = 'REFUNDED' GROUP BY payment_intent_id
"""


@dataclass(slots=True)
class RandomPayments:
    """One merchant's payments; each ``step`` moves several of them on at once, and the clock too.

    ``connection`` reads, with rows as dictionaries, what to move.
    """

    pipeline: Committer
    till: Till
    choices: random.Random
    connection: psycopg.Connection[dict[str, Any]]
    refusals: list[Reason] = field(default_factory=list)

    def set_up(self) -> None:
        """A merchant with two PSP accounts, each of which was changed once, with rules and experiments."""
        merchant_id = self.till.merchant_id
        commit(self.pipeline, self.till.merchant())
        commands: tuple[Command, ...] = (
            UpdateMerchant(merchant_id, "Renamed"),
            CreatePspAccount(merchant_id, "second", "simulator", FeeSchedule(0, 0), "vault/second", 5),
            UpdatePspAccount(merchant_id, "second", fee_bps=25, fee_fixed=3),
            UpdatePspAccount(merchant_id, "simulator", priority=7, cost_bps=290, cost_fixed=30),
            SetRoutingRules(merchant_id, RuleSet((rule(Strategy.SPLIT, "simulator:1", "second:3"),))),
            StartExperiment(merchant_id, "exp_0", "", ARMS, Guardrail()),
            StopExperiment(merchant_id, "exp_0", StopReason.GUARDRAIL, "by-score"),
            SetRoutingRules(merchant_id, BY_SCORE),
            StartExperiment(merchant_id, "exp_1", "by score?", ARMS, Guardrail()),
            CreateEndpoint(merchant_id, "we_0", "https://shop.example/", "gone soon", ("*",)),
            CreateEndpoint(merchant_id, "we_1", "https://shop.example/", "", ("*",)),
            GiveUpEndpoint(merchant_id, "we_1", DisabledReason.DEAD),
            UpdateEndpoint(merchant_id, "we_1", event_types=("refund.*",), status=EndpointStatus.ENABLED),
            RotateSecret(merchant_id, "we_1"),
            TryEndpoint(merchant_id, "we_1"),
            UpdateEndpoint(merchant_id, "we_1", status=EndpointStatus.DISABLED),
            DeleteEndpoint(merchant_id, "we_0"),
        )
        for command in commands:
            commit(self.pipeline, self.till.submission(command))

    def step(self) -> None:
        """Moves a few intents and attempts, chosen at random, and creates an intent."""
        self.till.now += timedelta(milliseconds=self.choices.randrange(40_000))
        attempts = [rows.attempt(row) for row in self._rows(OPEN_ATTEMPTS)]
        intents = [rows.payment_intent(row) for row in self._rows(INTENTS)]
        # One that is parked waits for as long as there are others.
        waiting = [one for one in attempts if one.state is not AttemptState.PARKED] or attempts
        moves: list[Submission | None] = [self._move_attempt(one) for one in self._some(waiting)]
        moves += [self._move_intent(one) for one in self._some(intents)]
        moves.append(self._create())
        pending = [self.pipeline.submit(move, None) for move in moves if move is not None]
        for one in pending:
            result = one.result.result(WAIT_S)
            if isinstance(result, Refused):
                self.refusals.append(result.error.reason)

    def _rows(self, query: str) -> list[dict[str, Any]]:
        return self.connection.execute(query.encode(), [self.till.merchant_id]).fetchall()

    def _some(self, items: list[Any]) -> list[Any]:
        return self.choices.sample(items, min(len(items), self.choices.randrange(INTENTS_AT_ONCE)))

    def _create(self) -> Submission:
        return self.till.create(
            self.choices.randrange(1, 100_000),
            currency=self.choices.choice(CURRENCIES),
            capture_method=self.choices.choice(list(CaptureMethod)),
            texts=Texts(self.choices.choice(("", "for you")), {"order": "7"}),
        )

    def _move_intent(self, intent: PaymentIntent) -> Submission | None:
        moves: dict[IntentStatus, tuple[Callable[[PaymentIntent], Submission | None], ...]] = {
            IntentStatus.CREATED: (self._authorize,) * 6 + (self._cancel, self._notice),
            IntentStatus.REQUIRES_ACTION: (self._authorize, self._cancel, self._notice),
            IntentStatus.FAILED: (self._notice,),
            IntentStatus.AUTHORIZED: (self._capture,) * 3 + (self._cancel, self._expire),
            IntentStatus.CAPTURED: (self._refund,) * 4 + (self._reverse_capture, self._reverse_refund),
            IntentStatus.REFUNDED: (self._refund, self._reverse_refund),
        }
        if intent.status not in moves:
            return None
        return self.choices.choice(moves[intent.status])(intent)

    def _authorize(self, intent: PaymentIntent) -> Submission:
        account = intent.psp_account_id or self.choices.choice(PSP_ACCOUNTS)
        others = tuple(one for one in PSP_ACCOUNTS if one != account)
        decision = routed(intent, account, *others)
        return self.till.submission(
            StartAuthorize(intent.merchant_id, intent.id, account, fallbacks=others, decision=decision)
        )

    def _capture(self, intent: PaymentIntent) -> Submission:
        amount = self.choices.choice((None, self.choices.randint(1, intent.authorized_amount)))
        return self.till.capture(intent.id, amount)

    def _cancel(self, intent: PaymentIntent) -> Submission:
        return self.till.submission(StartCancel(intent.merchant_id, intent.id))

    def _expire(self, intent: PaymentIntent) -> Submission:
        self.till.now += AUTHORIZATION_LIFE
        return self.till.submission(StartCancel(intent.merchant_id, intent.id, CancellationReason.EXPIRED))

    def _refund(self, intent: PaymentIntent) -> Submission:
        amount = self.choices.choice((None, self.choices.randint(1, intent.captured_amount)))
        return self.till.refund(intent.id, amount)

    def _reverse_capture(self, intent: PaymentIntent) -> Submission:
        failure = Failure("rejected", "by the scheme")
        return self.till.submission(ReverseCapture(intent.merchant_id, intent.id, failure))

    def _reverse_refund(self, intent: PaymentIntent) -> Submission | None:
        succeeded = {row["payment_intent_id"]: row["id"] for row in self._rows(SUCCEEDED_REFUNDS)}
        if intent.id not in succeeded:
            return None
        failure = Failure("returned", "account closed", "R02")
        return self.till.submission(
            ReverseRefund(intent.merchant_id, intent.id, succeeded[intent.id], failure)
        )

    def _move_attempt(self, attempt: Attempt) -> Submission:
        if attempt.due_at <= self.till.now and self.choices.random() < 0.3:
            intent_id = attempt.payment_intent_id
            return self.till.submission(
                ResumeAttempt(self.till.merchant_id, intent_id, attempt.id, attempt.fence)
            )
        fallback = next(one for one in PSP_ACCOUNTS if one != attempt.psp_account_id)
        return self.till.outcome(attempt, self._outcome(attempt), fallback)

    def _notice(self, intent: PaymentIntent) -> Submission | None:
        """A PSP says that the first authorization succeeded after all, or once more."""
        found = [rows.attempt(row) for row in self._rows(ATTEMPTS) if row["payment_intent_id"] == intent.id]
        first = next((one for one in found if one.operation is OperationType.AUTHORIZE), None)
        if first is None or first.is_open:
            return None
        told = Approved(intent.psp_payment_id or f"psp_{first.id}")
        notice = Notice(OperationType.AUTHORIZE, told, first.psp_key, amount=first.amount)
        endpoint = Endpoint("simulator", "" if first.psp_account_id == "simulator" else "vault/second")
        return self.till.submission(ApplyNotice(intent.merchant_id, intent.id, notice, endpoint))

    def _outcome(self, attempt: Attempt) -> Outcome:
        if attempt.checks and attempt.amount % 2 and attempt.state is not AttemptState.PARKED:
            return Unknown("nobody knows, until an operator looks")
        failure = Failure("declined", "no", "05", retryable=self.choices.random() < 0.5)
        outcomes: list[Outcome] = [
            *[Approved(f"psp_{attempt.id}", self.till.now + AUTHORIZATION_LIFE)] * 5,
            Declined(failure, f"psp_{attempt.id}"),
            NotExecuted(failure),
            Declined(declines.failure("acquirer_error"), ""),
            Accepted(f"psp_{attempt.id}"),
            Unknown("timed out"),
        ]
        if attempt.operation is OperationType.AUTHORIZE:
            action = NextAction("redirect", "https://psp.test/3ds")
            outcomes.append(ActionRequired(f"psp_{attempt.id}", action))
        return self.choices.choice(outcomes)
