"""The simulator behind PayFlow's connector protocol: its answers in the words of the domain."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from payflow.domain import declines
from payflow.domain import psp_outcome as domain
from payflow.domain.psp_capabilities import Capabilities
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import NextAction, NotExecuted, OperationType, Outcome, Unknown
from payflow.psp.connector import (
    Delivery,
    PspCall,
    Rejection,
    Settings,
    SignedItem,
    WebhookRejectedError,
)
from payflow.psp.simulator import answers
from payflow.psp.simulator.requests import Instruction, Key, Operation
from payflow.psp.transport import NeverSent, NoReply, Reply, Transport

_LOG = logging.getLogger(__name__)

UNREACHABLE = NotExecuted(declines.failure("psp_unreachable"))
REFUSED = NotExecuted(declines.failure("psp_refused_request"))
SHUT_OUT = NotExecuted(declines.failure("psp_key_shut_out"))

DEFAULT_URL = "http://127.0.0.1:8089"
DEFAULT_TIMEOUT_S = 5.0
DEFAULT_KEY_WINDOW_S = 86_400.0

_ANSWER: msgspec.json.Decoder[answers.Answer] = msgspec.json.Decoder(answers.Answer)
_OPERATIONS = {
    OperationType.CAPTURE: Operation.CAPTURE,
    OperationType.CANCEL: Operation.CANCEL,
    OperationType.REFUND: Operation.REFUND,
}


class SimulatorConnector:
    """Talks to simulators; any number of threads may use it. Fulfils payflow.psp.connector.Connector."""

    name = "simulator"
    webhook_reply = ""

    def __init__(self, url_of: Callable[[str], str], timeout_s: float, key_window_s: int) -> None:
        """``url_of`` finds the simulator of a credential reference.

        ``key_window_s`` is what the simulators were started with, or less.
        """
        self.timeout_s = timeout_s
        self.capabilities = Capabilities(key_window_s=key_window_s, looks_up=True)
        self._url_of = url_of
        self._transports: dict[str, Transport] = {}

    def missing_settings(self, credential_ref: str) -> Sequence[str]:
        """None: a simulator takes everyone."""
        return ()

    def close(self) -> None:
        """Closes the idle connections."""
        for transport in self._transports.values():
            transport.close()

    def receive(self, delivery: Delivery, credential_ref: str, now: datetime) -> Sequence[SignedItem]:
        """The simulator sends none."""
        raise WebhookRejectedError(Rejection.NOT_CONFIGURED)

    def interpret(self, content: bytes, credential_ref: str) -> Notice | None:
        """The simulator sends none."""
        return None

    def _transport(self, call: PspCall) -> Transport:
        url = self._url_of(call.credential_ref)
        return self._transports.setdefault(url, Transport(url, self.timeout_s))

    def execute(self, call: PspCall) -> Outcome:
        """Asks for the call once, or a second time at once where a connection broke; never raises."""
        reply = self._transport(call).post(f"/{_operation(call)}", msgspec.json.encode(_instruction(call)))
        match reply:
            case NeverSent():
                return UNREACHABLE
            case NoReply(detail=detail):
                return Unknown(detail)
            case Reply():
                return outcome_of(reply)

    def look_up(self, call: PspCall) -> Outcome | None:
        """What became of the call's key; None when the PSP has never seen it."""
        reply = self._transport(call).get("/operations", msgspec.to_builtins(_key(call)))
        if isinstance(reply, Reply) and isinstance(_answer(reply), answers.NotFound):
            return None
        return _told(reply)

    def cancel_by_reference(self, call: PspCall) -> Outcome:
        """Shuts the call's key out; an answer other than NotExecuted or Unknown came before that."""
        return _told(self._transport(call).post("/shut-out", msgspec.json.encode(_key(call))))


def connect(settings: Settings) -> SimulatorConnector:
    """The connector that the environment asks for; a reference without a URL of its own has the first."""
    first = settings.url("SIMULATOR_URL", DEFAULT_URL)
    return SimulatorConnector(
        lambda credential_ref: settings.url("SIMULATOR_URL", first, credential_ref),
        settings.duration_s("SIMULATOR_TIMEOUT", DEFAULT_TIMEOUT_S),
        int(settings.duration_s("SIMULATOR_KEY_WINDOW", DEFAULT_KEY_WINDOW_S)),
    )


def _operation(call: PspCall) -> Operation:
    if call.operation is OperationType.AUTHORIZE:
        return Operation.CONFIRM if call.psp_payment_id else Operation.AUTHORIZE
    return _OPERATIONS[call.operation]


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
    outcome = outcome_of(reply) if isinstance(reply, Reply) else Unknown(reply.detail)
    if isinstance(outcome, NotExecuted) and outcome is not SHUT_OUT:
        return Unknown(outcome.failure.code)
    return outcome


def outcome_of(reply: Reply) -> Outcome:
    """What an answer means for the call that it is about; what is not an answer means nothing at all."""
    match _answer(reply):
        case answers.Approved(id=psp_id, expires_at=expires_at):
            return domain.Approved(psp_id, expires_at)
        case answers.ActionRequired(id=psp_id, redirect_url=url):
            return domain.ActionRequired(psp_id, NextAction("redirect", url))
        case answers.Declined(id=psp_id, failure=failure):
            return domain.Declined(_failure(failure), psp_id)
        case answers.ShutOut():
            return SHUT_OUT
        case answers.Refused(code="invalid_request", message=message):
            # Every repeat of a call is equal, so an earlier one was refused as well.
            _LOG.error("the simulator refused a request: %s", message)
            return REFUSED
        case _:
            return Unknown(f"HTTP {reply.status}: {reply.body[:200]!r}")


def _answer(reply: Reply) -> answers.Answer | None:
    """The answer, if this is one: what a proxy or another server says is none, whatever its status."""
    try:
        answer = _ANSWER.decode(reply.body)
    except msgspec.MsgspecError:
        return None
    return answer if reply.status == answer.http_status else None


def _failure(failure: answers.Failure) -> domain.Failure:
    return domain.Failure(failure.code, failure.message, failure.code, failure.retryable)
