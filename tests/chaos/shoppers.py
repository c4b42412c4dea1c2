"""Those who call PayFlow: each sees one payment through, repeats what was not answered, or goes away."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from payflow.commands.authorize_payment_intent import authorize_payment_intent
from payflow.commands.call import Answer, Call
from payflow.commands.cancel_payment_intent import cancel_payment_intent
from payflow.commands.capture_payment_intent import capture_payment_intent
from payflow.commands.create_payment_intent import create_payment_intent
from payflow.commands.create_refund import create_refund
from payflow.commands.ports import Ports
from payflow.domain.errors import PayFlowError
from payflow.domain.folding.submission import IdempotencyClaim, Origin
from payflow.domain.intent.state import CaptureMethod, PaymentIntent
from payflow.domain.intent.status import IntentStatus
from payflow.domain.texts import Texts
from payflow.v1.payment_intent_pb2 import PaymentIntent as PaymentIntentMessage
from payflow.wire.resources import to_bytes
from tests.chaos.evidence import Answered
from tests.chaos.nature import Nature

REPEATED = ("UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")
PATIENCE_S = (30.0, 30.0, 6.0, 0.3)
AMOUNTS = (1, 100, 999, 12_345)
ORIGIN = Origin("shopper", "chaos")

Ask = Callable[[Ports, Call], Answer]


@dataclass(slots=True)
class Request:
    """Something asked under a key, the same however often it is sent; ``text`` says what."""

    key: str
    text: str
    ask: Ask


@dataclass(slots=True)
class Shopper:
    """One payment's caller. ``waiting`` is what it has not been answered yet."""

    number: int
    merchant_id: str
    nature: Nature
    answered: list[Answered]
    intent_id: str = ""
    waiting: Request | None = None
    done: list[Request] = field(default_factory=list)
    is_finished: bool = False
    asked: int = 0

    def step(self, ports: Ports) -> None:
        """Sends what it waits for again, or an earlier request, or the next one."""
        if self.done and self.nature.happens(self.nature.weather.repeated):
            self.send(ports, self._again())
            return
        if self.waiting is None and not self.is_finished:
            self.waiting = self._next(ports)
        if self.waiting is not None:
            self.send(ports, self.waiting)

    def _again(self) -> Request:
        """An earlier request; now and then another one under its key."""
        earlier = self.nature.one_of(self.done)
        other = self.intent_id and self.nature.happens(0.2)
        return Request(earlier.key, "another cancel", self._cancel) if other else earlier

    def send(self, ports: Ports, request: Request) -> None:
        """One try. Raises Died with the process that it was sent to."""
        try:
            answer = request.ask(ports, self._call(request))
        except PayFlowError as refusal:
            if self.waiting is request and refusal.reason.code not in REPEATED:
                self.waiting = None
        else:
            self._take(request, answer)
        finally:
            if self.waiting is request and self.nature.happens(self.nature.weather.given_up):
                self.waiting = None

    def _call(self, request: Request) -> Call:
        patience_s = self.nature.one_of(PATIENCE_S)
        claim = IdempotencyClaim(request.key, hashlib.sha256(request.text.encode()).digest())
        return Call(ORIGIN, self.nature.clock.monotonic() + patience_s, claim)

    def _take(self, request: Request, answer: Answer) -> None:
        if answer.stored is not None:
            response = answer.stored
        else:
            assert answer.resource is not None
            response = to_bytes(answer.resource)
        now, asked = self.nature.clock.now(), (self.merchant_id, request.key, request.text)
        self.answered.append(Answered(now, *asked, response, answer.replayed))
        if not self.intent_id:
            self.intent_id = PaymentIntentMessage.FromString(response).id
        if self.waiting is request:
            self.waiting = None
        if request not in self.done:
            self.done.append(request)

    def _next(self, ports: Ports) -> Request | None:
        """What it wants now; None while it waits for an outcome, or when it has all that it wants."""
        if not self.intent_id:
            return self._request("create", self._create())
        intent = self._read(ports)
        wants = self._wants(intent)
        self.is_finished = wants is None and intent.status is not IntentStatus.PROCESSING
        return wants

    def _wants(self, intent: PaymentIntent) -> Request | None:
        share = self.nature.chance.random()
        match intent.status:
            case IntentStatus.CREATED if share < 0.95:
                return self._request("authorize", self._authorize)
            case IntentStatus.CREATED | IntentStatus.AUTHORIZED if share < 0.2:
                return self._request("cancel", self._cancel)
            case IntentStatus.PROCESSING if share < 0.1:
                # Against the rules, which PayFlow has to keep.
                return self._capture(None) if share < 0.05 else self._request("cancel", self._cancel)
            case IntentStatus.REQUIRES_ACTION if share < 0.6:
                return self._request("go on", self._authorize)
            case IntentStatus.REQUIRES_ACTION if share < 0.7:
                return self._request("cancel", self._cancel)
            case IntentStatus.AUTHORIZED if share < 0.9:
                return self._capture(None if share < 0.6 else max(1, intent.amount // 3))
            case IntentStatus.CAPTURED if share < 0.7:
                return self._refund(None if share < 0.2 else max(1, intent.captured_amount // 2))
            case _:
                return None

    def _request(self, text: str, ask: Ask) -> Request:
        self.asked += 1
        return Request(f"{self.number}-{self.asked}", text, ask)

    def _create(self) -> Ask:
        amount = self.nature.one_of(AMOUNTS)
        method = CaptureMethod.AUTOMATIC if self.nature.happens(0.3) else CaptureMethod.MANUAL
        currency = self.nature.one_of(("EUR", "JPY"))

        def ask(ports: Ports, call: Call) -> Answer:
            merchant = ports.directory.find(self.merchant_id, 0)
            assert merchant is not None
            return create_payment_intent(
                ports, call, merchant, amount, currency, method, "pm_card", "card", "", Texts()
            )

        return ask

    def _read(self, ports: Ports) -> PaymentIntent:
        view = ports.payments.payment_intent(self.merchant_id, self.intent_id, 0)
        assert view is not None
        return view.intent

    def _authorize(self, ports: Ports, call: Call) -> Answer:
        view = ports.payments.payment_intent(self.merchant_id, self.intent_id, 0)
        assert view is not None
        return authorize_payment_intent(ports, call, view, "")

    def _cancel(self, ports: Ports, call: Call) -> Answer:
        return cancel_payment_intent(ports, call, self._read(ports))

    def _capture(self, amount: int | None) -> Request:
        return self._request(
            f"capture {amount}",
            lambda ports, call: capture_payment_intent(ports, call, self._read(ports), amount),
        )

    def _refund(self, amount: int | None) -> Request:
        return self._request(
            f"refund {amount}",
            lambda ports, call: create_refund(ports, call, self._read(ports), amount, Texts()),
        )
