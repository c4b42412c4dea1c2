"""A caller that repeats each request with its key until it is answered, and remembers every answer."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import grpc

from payflow.v1 import payment_intent_pb2 as pb
from payflow.v1 import payment_types_pb2, refund_pb2
from tests.payments import ApiError, Caller, Reply

GIVE_UP_AFTER_S = 600
POLL_S = 0.2
PAUSE_MAX_S = 1.0
REFUNDS_MAX = 3
AUTOMATIC = payment_types_pb2.CAPTURE_METHOD_AUTOMATIC
MANUAL = payment_types_pb2.CAPTURE_METHOD_MANUAL
AGAIN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A request, its key, and what was answered."""

    rpc: str
    request: Any
    key: str
    answer: Any


@dataclass(slots=True)
class Payment:
    """What has to be true of a payment, from its answers alone; amounts in minor units."""

    intent_id: str
    captured: int = 0
    refunded: int = 0
    status: int = pb.PAYMENT_INTENT_STATUS_CREATED


@dataclass(slots=True)
class PersistentCaller:
    """Makes payments at whichever server answers."""

    callers: list[Caller]
    decisions: random.Random
    payments: list[Payment] = field(default_factory=list)
    acknowledged: list[Acknowledged] = field(default_factory=list)
    retries: Counter[str] = field(default_factory=Counter)

    def pay_until(self, stop: threading.Event) -> None:
        """One payment after the other; the last one is seen through."""
        while not stop.is_set():
            self._pay()

    def assert_everything_is_still_true(self) -> None:
        """Every answer is given again, and every payment is what the answers made it."""
        for one in self.acknowledged:
            reply = self._until_answered(one.rpc, one.request, one.key)
            assert reply.replayed, one
            assert reply.message == one.answer
        for payment in self.payments:
            intent = self._get(payment.intent_id)
            now = Payment(intent.id, intent.captured_amount, intent.refunded_amount, intent.status)
            assert now == payment, (now, payment)
            assert (intent.refund_pending_amount, intent.HasField("operation")) == (0, False)

    def _pay(self) -> None:
        amount = self.decisions.randint(1_000, 100_000)
        sale = self.decisions.random() < 0.2
        created = self._answer(
            "CreatePaymentIntent",
            pb.CreatePaymentIntentRequest(
                merchant_id=self.callers[0].merchant_id,
                amount=amount,
                currency=self.decisions.choice(["USD", "JPY"]),
                capture_method=AUTOMATIC if sale else MANUAL,
            ),
        )
        payment = Payment(created.id)
        self.payments.append(payment)
        authorize = pb.AuthorizePaymentIntentRequest(id=created.id)
        if sale:
            self._move(payment, "AuthorizePaymentIntent", authorize, pb.PAYMENT_INTENT_STATUS_CAPTURED)
            payment.captured = amount
        else:
            self._move(payment, "AuthorizePaymentIntent", authorize, pb.PAYMENT_INTENT_STATUS_AUTHORIZED)
            self._capture_or_cancel(payment, amount)
        if payment.captured:
            self._refund(payment)

    def _capture_or_cancel(self, payment: Payment, amount: int) -> None:
        if self.decisions.random() < 0.15:
            cancel = pb.CancelPaymentIntentRequest(id=payment.intent_id)
            self._move(payment, "CancelPaymentIntent", cancel, pb.PAYMENT_INTENT_STATUS_CANCELED)
            return
        captured = self.decisions.randint(amount // 2, amount)
        capture = pb.CapturePaymentIntentRequest(id=payment.intent_id, amount=captured)
        self._move(payment, "CapturePaymentIntent", capture, pb.PAYMENT_INTENT_STATUS_CAPTURED)
        payment.captured = captured

    def _refund(self, payment: Payment) -> None:
        for _ in range(self.decisions.randint(0, REFUNDS_MAX)):
            left = payment.captured - payment.refunded
            if left == 0:
                break
            amount = self.decisions.choice([left, self.decisions.randint(1, left)])
            request = refund_pb2.CreateRefundRequest(payment_intent_id=payment.intent_id, amount=amount)
            refund = self._answer("CreateRefund", request)
            refund = self._settled(partial(self._get_refund, refund.id), refund_pb2.REFUND_STATUS_PENDING)
            if refund.status == refund_pb2.REFUND_STATUS_REFUNDED:
                payment.refunded += amount
        if payment.refunded == payment.captured:
            payment.status = pb.PAYMENT_INTENT_STATUS_REFUNDED

    def _move(self, payment: Payment, rpc: str, request: Any, wanted: int) -> None:
        """Asks, with a new key each time that the operation turns out not to have happened, until it has."""
        while payment.status != wanted:
            before = payment.status
            intent = self._answer(rpc, request)
            if intent.status == pb.PAYMENT_INTENT_STATUS_PROCESSING:
                intent = self._settled(partial(self._get, payment.intent_id), intent.status)
            assert intent.status in (before, wanted), intent
            payment.status = intent.status

    def _get(self, intent_id: str) -> Any:
        return self._until_answered(
            "GetPaymentIntent", pb.GetPaymentIntentRequest(id=intent_id), "unused"
        ).message

    def _get_refund(self, refund_id: str) -> Any:
        return self._until_answered("GetRefund", refund_pb2.GetRefundRequest(id=refund_id), "unused").message

    def _settled(self, get: Callable[[], Any], open_status: int) -> Any:
        give_up_at = time.monotonic() + GIVE_UP_AFTER_S
        while (found := get()).status == open_status:
            assert time.monotonic() < give_up_at, found
            self.retries["settling"] += 1
            time.sleep(POLL_S)
        return found

    def _answer(self, rpc: str, request: Any) -> Any:
        key = str(uuid4())
        answer = self._until_answered(rpc, request, key).message
        self.acknowledged.append(Acknowledged(rpc, request, key, answer))
        return answer

    def _until_answered(self, rpc: str, request: Any, key: str) -> Reply:
        give_up_at = time.monotonic() + GIVE_UP_AFTER_S
        while True:
            caller = self.decisions.choice(self.callers)
            try:
                return caller.reply(self._rpc(caller, rpc), request, key)
            except ApiError as error:
                if error.code not in AGAIN or time.monotonic() > give_up_at:
                    raise
                self.retries[error.reason or error.code.name] += 1
                time.sleep(min(error.retry_after_s or POLL_S, PAUSE_MAX_S))

    @staticmethod
    def _rpc(caller: Caller, name: str) -> Any:
        return getattr(caller.refunds if "Refund" in name else caller.intents, name)
