"""The simulator behind PayFlow's connector protocol: its answers in the words of the domain."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus

import msgspec

from payflow.domain import declines
from payflow.domain import psp_outcome as domain
from payflow.domain.merchant.commands import DefaultAccount
from payflow.domain.psp_capabilities import Capabilities, PspCosts
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import NextAction, NotExecuted, OperationType, Outcome, Unknown
from payflow.psp.connector import (
    Delivery,
    PspCall,
    PspSilentError,
    Rejection,
    Settings,
    SignedItem,
    WebhookRejectedError,
)
from payflow.psp.simulator import answers
from payflow.psp.simulator.reasons import CANONICAL
from payflow.psp.simulator.requests import Instruction, Key, Operation
from payflow.psp.simulator.webhooks import read_event, verified_event
from payflow.psp.transport import NeverSent, NoReply, Reply, Transport

_LOG = logging.getLogger(__name__)

UNREACHABLE = NotExecuted(declines.failure("psp_unreachable"))
OVERLOADED = NotExecuted(declines.failure("psp_overloaded"))
REFUSED = NotExecuted(declines.failure("psp_refused_request"))
SHUT_OUT = NotExecuted(declines.failure("psp_key_shut_out"))

DEFAULT_URL = "http://127.0.0.1:8089"
DEFAULT_TIMEOUT_S = 5.0
DEFAULT_KEY_WINDOW_S = 86_400.0

NAME = "simulator"
FIRST_ACCOUNT = DefaultAccount("simulator", NAME)
SECOND_ACCOUNT = DefaultAccount("simulator_b", NAME, "B", priority=200)

_ANSWER: msgspec.json.Decoder[answers.Answer] = msgspec.json.Decoder(answers.Answer)
_ASKED = {
    OperationType.CAPTURE: Operation.CAPTURE,
    OperationType.CANCEL: Operation.CANCEL,
    OperationType.REFUND: Operation.REFUND,
}
_TOLD = {
    Operation.AUTHORIZE: OperationType.AUTHORIZE,
    Operation.CONFIRM: OperationType.AUTHORIZE,
    Operation.CAPTURE: OperationType.CAPTURE,
    Operation.CANCEL: OperationType.CANCEL,
    Operation.REFUND: OperationType.REFUND,
}


class SimulatorConnector:
    """Talks to simulators; any number of threads may use it. Fulfils payflow.psp.connector.Connector."""

    name = NAME
    webhook_reply = ""

    def __init__(
        self,
        url_of: Callable[[str], str],
        timeout_s: float,
        key_window_s: int,
        secret_of: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """``url_of`` finds the simulator of a credential reference, ``secret_of`` what signs its webhooks.

        ``key_window_s`` is what the simulators were started with, or less.
        """
        self.timeout_s = timeout_s
        self.capabilities = Capabilities(
            key_window_s=key_window_s,
            looks_up=True,
            payment_methods=frozenset({"card", "apple_pay", "google_pay"}),
            costs=PspCosts(bps=100),
        )
        self._url_of = url_of
        self._secret_of = secret_of
        self._transports: dict[str, Transport] = {}

    def missing_settings(self, credential_ref: str) -> Sequence[str]:
        """None: a simulator takes everyone."""
        return ()

    def close(self) -> None:
        """Closes the idle connections."""
        for transport in self._transports.values():
            transport.close()

    def execute(self, call: PspCall) -> Outcome:
        """Asks for the call once, or a second time at once where a connection broke; never raises."""
        transport = self._transport(call.credential_ref)
        reply = transport.post(f"/{_operation(call)}", msgspec.json.encode(_instruction(call)))
        return UNREACHABLE if isinstance(reply, NeverSent) else outcome_of(reply)

    def look_up(self, call: PspCall) -> Outcome | None:
        """What became of the call's key; None when the PSP has never seen it."""
        reply = self._looked_up(_key(call), call.credential_ref)
        return None if isinstance(_answer(reply), answers.NotFound) else _told(reply)

    def cancel_by_reference(self, call: PspCall) -> Outcome:
        """Shuts the call's key out; an answer other than NotExecuted or Unknown came before that."""
        outcome = _told(
            self._transport(call.credential_ref).post("/shut-out", msgspec.json.encode(_key(call)))
        )
        # Accepted would say that shutting it out was taken in.
        return Unknown("taken in, and not finished") if isinstance(outcome, domain.Accepted) else outcome

    def receive(self, delivery: Delivery, credential_ref: str, now: datetime) -> Sequence[SignedItem]:
        """The one event of a webhook. Raises WebhookRejectedError."""
        secret = self._secret_of(credential_ref)
        if secret is None:
            raise WebhookRejectedError(Rejection.NOT_CONFIGURED, "SIMULATOR_WEBHOOK_SECRET is not set")
        event = verified_event(delivery, secret, now)
        return (SignedItem(event.id, event.reference, delivery.body),)

    def interpret(self, content: bytes, credential_ref: str) -> Notice | None:
        """What the operation that the event is about has come to by now, whatever the event says.

        Events overtake each other, and the simulator knows: an older one tells nothing old. None where it
        has never seen the reference. Raises PspSilentError.
        """
        event = read_event(content)
        reply = self._looked_up(Key(event.psp_account, event.merchant, event.reference), credential_ref)
        answer = _answer(reply)
        if isinstance(answer, answers.NotFound):
            return None
        outcome = _told(reply)
        if isinstance(outcome, Unknown):
            raise PspSilentError(outcome.detail)
        return Notice(
            _TOLD[event.operation],
            outcome,
            psp_key=event.reference,
            psp_payment_id=event.payment_id,
            amount=event.amount,
            currency=event.currency,
            after_success=isinstance(answer, answers.Declined) and answer.after_success,
        )

    def _looked_up(self, key: Key, credential_ref: str) -> Reply | NeverSent | NoReply:
        return self._transport(credential_ref).get("/operations", msgspec.to_builtins(key))

    def _transport(self, credential_ref: str) -> Transport:
        url = self._url_of(credential_ref)
        return self._transports.setdefault(url, Transport(url, self.timeout_s))


def connect(settings: Settings) -> SimulatorConnector:
    """The connector that the environment asks for.

    A reference without a URL or a secret of its own has those without a reference.
    """
    first = settings.url("SIMULATOR_URL", DEFAULT_URL)
    secret = settings.text("SIMULATOR_WEBHOOK_SECRET")
    return SimulatorConnector(
        lambda credential_ref: settings.url("SIMULATOR_URL", first, credential_ref),
        settings.duration_s("SIMULATOR_TIMEOUT", DEFAULT_TIMEOUT_S),
        int(settings.duration_s("SIMULATOR_KEY_WINDOW", DEFAULT_KEY_WINDOW_S)),
        lambda credential_ref: settings.text("SIMULATOR_WEBHOOK_SECRET", credential_ref) or secret,
    )


def default_accounts(settings: Settings) -> tuple[DefaultAccount, ...]:
    """The accounts of a new merchant in test mode: one at each simulator that there is."""
    second = settings.text("SIMULATOR_URL", SECOND_ACCOUNT.credential_ref)
    return (FIRST_ACCOUNT, SECOND_ACCOUNT) if second else (FIRST_ACCOUNT,)


def _operation(call: PspCall) -> Operation:
    if call.operation is OperationType.AUTHORIZE:
        return Operation.CONFIRM if call.psp_payment_id else Operation.AUTHORIZE
    return _ASKED[call.operation]


def _key(call: PspCall) -> Key:
    return Key(call.psp_account_id, call.merchant_id, call.psp_key)


def _instruction(call: PspCall) -> Instruction:
    return Instruction(
        psp_account=call.psp_account_id,
        merchant=call.merchant_id,
        reference=call.psp_key,
        amount=call.amount,
        currency=call.currency,
        payment_method=call.payment_method,
        payment_id=call.psp_payment_id,
        sale=call.sale,
    )


def _told(reply: Reply | NeverSent | NoReply) -> Outcome:
    """What was said about another call: not reaching the PSP, or being refused, says nothing of it."""
    outcome = Unknown(reply.detail) if isinstance(reply, NeverSent) else outcome_of(reply)
    if isinstance(outcome, NotExecuted) and outcome is not SHUT_OUT:
        return Unknown(outcome.failure.code)
    return outcome


def outcome_of(reply: Reply | NoReply) -> Outcome:
    """What an answer means for the call that it is about; what is not an answer means nothing at all."""
    if isinstance(reply, NoReply):
        return Unknown(reply.detail, reply.broken)
    match _answer(reply):
        case answers.Approved(id=psp_id, expires_at=expires_at):
            return domain.Approved(psp_id, expires_at)
        case answers.Accepted(id=psp_id):
            return domain.Accepted(psp_id)
        case answers.ActionRequired(id=psp_id, redirect_url=url):
            return domain.ActionRequired(psp_id, NextAction("redirect", url))
        case answers.Declined(id=psp_id, failure=failure):
            return domain.Declined(_failure(failure), psp_id)
        case answers.ShutOut():
            return SHUT_OUT
        case answers.Overloaded() if not reply.repeated:
            return OVERLOADED
        case answers.Refused(code="invalid_request", message=message):
            # Every repeat of a call is equal, so an earlier one was refused as well.
            _LOG.error("the simulator refused a request: %s", message)
            return REFUSED
        case _:
            repeatable = reply.status >= 500 or reply.status == HTTPStatus.TOO_MANY_REQUESTS
            return Unknown(f"HTTP {reply.status}: {reply.body[:200]!r}", repeatable)


def _answer(reply: Reply | NeverSent | NoReply) -> answers.Answer | None:
    """The answer, if this is one: what a proxy or another server says is none, whatever its status."""
    if not isinstance(reply, Reply):
        return None
    try:
        answer = _ANSWER.decode(reply.body)
    except msgspec.MsgspecError:
        return None
    return answer if reply.status == answer.http_status else None


def _failure(failure: answers.Failure) -> domain.Failure:
    return declines.failure(CANONICAL.get(failure.code, ""), failure.code)
