"""The simulator behind PayFlow's connector protocol: its answers in the words of the domain."""

from __future__ import annotations

import logging

import msgspec

from payflow.domain import psp_outcome as domain
from payflow.domain.psp_outcome import NextAction, NotExecuted, OperationType, Outcome, Unknown
from payflow.psp.connector import PspCall
from payflow.psp.simulator import answers
from payflow.psp.simulator.requests import Instruction, Key, Operation
from payflow.psp.simulator.transport import NeverSent, NoReply, Reply, Transport

_LOG = logging.getLogger(__name__)

UNREACHABLE = NotExecuted(
    domain.Failure("psp_unreachable", "The PSP could not be reached; nothing was executed.", retryable=True)
)
REFUSED = NotExecuted(
    domain.Failure("psp_refused_request", "The PSP refused the request; nothing was executed.")
)
SHUT_OUT = NotExecuted(
    domain.Failure("psp_key_shut_out", "The reference was shut out at the PSP; nothing was executed.")
)

_ANSWER: msgspec.json.Decoder[answers.Answer] = msgspec.json.Decoder(answers.Answer)
_OPERATIONS = {
    OperationType.CAPTURE: Operation.CAPTURE,
    OperationType.CANCEL: Operation.CANCEL,
    OperationType.REFUND: Operation.REFUND,
}


class SimulatorConnector:
    """Talks to one simulator; any number of threads may use it. Fulfils payflow.psp.connector.Connector."""

    name = "simulator"

    def __init__(self, base_url: str, timeout_s: float, key_window_s: int) -> None:
        """``key_window_s`` is what the simulator was started with, or less."""
        self.timeout_s = timeout_s
        self.key_window_s = key_window_s
        self._transport = Transport(base_url, timeout_s)

    def close(self) -> None:
        """Closes the idle connections."""
        self._transport.close()

    def execute(self, call: PspCall) -> Outcome:
        """Asks for the call once, or a second time at once where a connection broke; never raises."""
        reply = self._transport.post(f"/{_operation(call)}", msgspec.json.encode(_instruction(call)))
        match reply:
            case NeverSent():
                return UNREACHABLE
            case NoReply(detail=detail):
                return Unknown(detail)
            case Reply():
                return outcome_of(reply)

    def look_up(self, call: PspCall) -> Outcome | None:
        """What became of the call's key; None when the PSP has never seen it."""
        reply = self._transport.get("/operations", msgspec.to_builtins(_key(call)))
        if isinstance(reply, Reply) and isinstance(_answer(reply), answers.NotFound):
            return None
        return _told(reply)

    def cancel_by_reference(self, call: PspCall) -> Outcome:
        """Shuts the call's key out; an answer other than NotExecuted or Unknown came before that."""
        return _told(self._transport.post("/shut-out", msgspec.json.encode(_key(call))))


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
