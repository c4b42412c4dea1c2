"""Callers over gRPC: each makes payments, repeats what is not answered or gives up, and notes answers."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import urllib3

from payflow.v1 import payment_intent_pb2 as pb
from payflow.v1 import payment_types_pb2, refund_pb2
from tests.chaos.evidence import Answered
from tests.payments import ApiError, Caller
from tests.simulators import Simulator

AGAIN = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "RESOURCE_EXHAUSTED")
METHODS = ("pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_3ds", "pm_card_3ds_fails")
PATIENCE_S = (30.0, 30.0, 30.0, 1.0, 0.3)
PAUSE_MAX_S = 0.5
GIVES_UP = 0.02
REPEATS = 0.05
POLLS_MAX = 5
REFUNDS_MAX = 2
AUTOMATIC = payment_types_pb2.CAPTURE_METHOD_AUTOMATIC
MANUAL = payment_types_pb2.CAPTURE_METHOD_MANUAL


@dataclass(frozen=True, slots=True)
class Request:
    """Something asked under a key, the same however often it is sent."""

    rpc: str
    message: Any
    key: str


@dataclass(slots=True)
class ChaosCaller:
    """Goes to whichever server answers. ``waiting`` are requests that were given up without an answer."""

    callers: list[Caller]
    simulators: dict[str, Simulator]
    decisions: random.Random
    answered: list[Answered] = field(default_factory=list)
    done: list[Request] = field(default_factory=list)
    waiting: list[Request] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def pay_while(self, wanted: Callable[[], bool]) -> None:
        """One payment after the other."""
        while wanted():
            self._pay()

    def ask_again(self, request: Request, give_up_at: float) -> None:
        """Until it is answered or refused."""
        while time.monotonic() < give_up_at:
            try:
                self._send(request)
            except ApiError as error:
                if error.code.name not in AGAIN:
                    return
                time.sleep(min(error.retry_after_s or PAUSE_MAX_S, PAUSE_MAX_S))
            else:
                return
        self.broken.append(f"{request.rpc} is never answered")

    def _pay(self) -> None:
        chance = self.decisions
        amount, sale = chance.randint(1, 100_000), chance.random() < 0.3
        created = self._ask(
            "CreatePaymentIntent",
            pb.CreatePaymentIntentRequest(
                merchant_id=self.callers[0].merchant_id,
                amount=amount,
                currency=chance.choice(["USD", "JPY"]),
                capture_method=AUTOMATIC if sale else MANUAL,
                payment_method=chance.choice(METHODS),
            ),
        )
        if created is None:
            return
        intent = self._settled(self._ask("AuthorizePaymentIntent", _authorize(created)) or created)
        if intent.status == pb.PAYMENT_INTENT_STATUS_REQUIRES_ACTION:
            intent = self._after_the_challenge(intent)
        if intent.status == pb.PAYMENT_INTENT_STATUS_AUTHORIZED:
            intent = self._capture_or_cancel(intent)
        for _ in range(chance.randint(0, REFUNDS_MAX)):
            if intent.status == pb.PAYMENT_INTENT_STATUS_CAPTURED:
                part = chance.choice([None, chance.randint(1, intent.captured_amount)])
                refund = refund_pb2.CreateRefundRequest(payment_intent_id=intent.id, amount=part)
                self._ask("CreateRefund", refund)
                intent = self._settled(intent)

    def _after_the_challenge(self, intent: Any) -> Any:
        """The payer acts behind our back, or comes back to us, or goes away."""
        share = self.decisions.random()
        if share < 0.4:
            with suppress(urllib3.exceptions.HTTPError, ValueError):
                self.simulators[intent.psp_account_id].complete(intent.psp_payment_id)
        elif share < 0.8:
            self._ask("AuthorizePaymentIntent", _authorize(intent))
        return self._settled(intent)

    def _capture_or_cancel(self, intent: Any) -> Any:
        share = self.decisions.random()
        if share < 0.15:
            self._ask("CancelPaymentIntent", pb.CancelPaymentIntentRequest(id=intent.id))
        elif share < 0.9:
            amount = self.decisions.choice([None, self.decisions.randint(1, intent.authorized_amount)])
            self._ask("CapturePaymentIntent", pb.CapturePaymentIntentRequest(id=intent.id, amount=amount))
        return self._settled(intent)

    def _settled(self, intent: Any) -> Any:
        """The intent as it is by now, where nobody waits for long."""
        for _ in range(POLLS_MAX):
            with suppress(ApiError):
                caller = self.decisions.choice(self.callers)
                intent = caller.reply(
                    caller.intents.GetPaymentIntent, pb.GetPaymentIntentRequest(id=intent.id)
                ).message
                if intent.status != pb.PAYMENT_INTENT_STATUS_PROCESSING:
                    break
            time.sleep(self.decisions.uniform(0, PAUSE_MAX_S))
        return intent

    def _ask(self, rpc: str, message: Any) -> Any | None:
        """What is answered in the end; None for a refusal, and for what is given up."""
        request = Request(rpc, message, str(UUID(int=self.decisions.getrandbits(128))))
        while True:
            try:
                answer = self._send(request)
            except ApiError as error:
                if error.code.name not in AGAIN:
                    return None
                if self.decisions.random() < GIVES_UP:
                    self.waiting.append(request)
                    return None
                time.sleep(self.decisions.uniform(0, min(error.retry_after_s or PAUSE_MAX_S, PAUSE_MAX_S)))
            else:
                if self.decisions.random() < REPEATS:
                    with suppress(ApiError):
                        self._send(request)
                return answer

    def _send(self, request: Request) -> Any:
        caller = self.decisions.choice(self.callers)
        stub = caller.refunds if "Refund" in request.rpc else caller.intents
        try:
            patience_s = self.decisions.choice(PATIENCE_S)
            reply = caller.reply(getattr(stub, request.rpc), request.message, request.key, patience_s)
        except ApiError as error:
            self.errors[error.reason or error.code.name] += 1
            if error.code.name in ("INTERNAL", "UNKNOWN"):
                self.broken.append(f"{request.rpc}: {error}")
            raise
        asked = f"{request.rpc} {request.message}"
        response = reply.message.SerializeToString(deterministic=True)
        merchant_id = caller.merchant_id
        self.answered.append(
            Answered(datetime.now(UTC), merchant_id, request.key, asked, response, reply.replayed)
        )
        if request not in self.done[-3:]:
            self.done.append(request)
        return reply.message


def _authorize(intent: Any) -> Any:
    return pb.AuthorizePaymentIntentRequest(id=intent.id)
