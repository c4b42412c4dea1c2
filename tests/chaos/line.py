"""The line between one of PayFlow's processes and a PSP, as a connector: calls get lost on it, both ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto

from payflow.domain import declines
from payflow.domain.psp_capabilities import Capabilities
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import NotExecuted, Outcome, Unknown
from payflow.psp.connector import (
    Delivery,
    PspCall,
    PspSilentError,
    Rejection,
    SignedItem,
    WebhookRejectedError,
)
from tests.chaos.evidence import Asked
from tests.chaos.nature import Nature
from tests.chaos.psp import Psp

UNREACHABLE = NotExecuted(declines.failure("psp_unreachable"))
OVERLOADED = NotExecuted(declines.failure("psp_overloaded"))
TIMED_OUT = Unknown("timed out")
FAILED = Unknown("HTTP 503", repeatable=True)
LATENCY = timedelta(milliseconds=80)
# Some are still on their way when everybody else has long given up; none outlasts its key.
LATE_S = (6.0, 20.0, 200.0)


class ConnectorBrokenError(Exception):
    """A defect in a connector, which a use case has to live with."""


class Fault(Enum):
    """What happens to a call."""

    NEVER_SENT = auto()
    OVERLOADED = auto()
    LOST = auto()
    LATE = auto()
    FAILED_BEFORE = auto()
    UNANSWERED = auto()
    FAILED_AFTER = auto()
    CONNECTOR_BROKEN = auto()


IN_OUTAGES = (Fault.NEVER_SENT, Fault.LOST, Fault.FAILED_BEFORE)
BEFORE_EXECUTION: dict[Fault, Outcome] = {
    Fault.NEVER_SENT: UNREACHABLE,
    Fault.OVERLOADED: OVERLOADED,
    Fault.LOST: TIMED_OUT,
    Fault.FAILED_BEFORE: FAILED,
    Fault.LATE: TIMED_OUT,
}


class Network:
    """How the lines to one PSP are; ``asked`` lists what was sent.

    ``down_until`` is the end of its outage, ``shut_until`` of the time that PayFlow's gate keeps calls away.
    """

    def __init__(self, psp: Psp, nature: Nature) -> None:
        self.psp = psp
        self.nature = nature
        self.down_until = self.shut_until = nature.clock.now()
        self.asked: list[Asked] = []

    @property
    def is_down(self) -> bool:
        return self.nature.clock.now() < self.down_until

    @property
    def is_shut(self) -> bool:
        """Whether PayFlow's gate is."""
        return self.nature.clock.now() < self.shut_until

    def fault(self) -> Fault | None:
        """What happens to the next call; None where nothing does."""
        if self.is_down:
            return self.nature.one_of(IN_OUTAGES)
        drawn = self.nature.chance.random()
        for fault in Fault:
            drawn -= getattr(self.nature.weather, fault.name.lower())
            if drawn < 0:
                return fault
        return None

    def question_fails(self) -> bool:
        """Whether the next question gets no answer."""
        return self.is_down or self.nature.happens(self.nature.weather.questions_unanswered)


class Line:
    """Fulfils payflow.psp.connector.Connector. ``moment`` lets others act, and kills whoever calls it."""

    timeout_s = 5.0
    webhook_reply = ""

    def __init__(self, network: Network, moment: Callable[[], None]) -> None:
        self.name = network.psp.kind.name
        self.capabilities = Capabilities(
            key_window_s=int(network.psp.key_window.total_seconds()), looks_up=network.psp.kind.looks_up
        )
        self._network = network
        self._moment = moment

    def execute(self, call: PspCall) -> Outcome:
        """Asks for the call, and loses it, its answer or both."""
        fault = self._network.fault()
        if fault not in (Fault.NEVER_SENT, Fault.OVERLOADED):
            self._network.asked.append(Asked(self._network.nature.clock.now(), self.name, call.psp_key))
        if fault is Fault.LATE:
            self._network.psp.take_later(call, self._network.nature.one_of(LATE_S))
        outcome = BEFORE_EXECUTION.get(fault) if fault else None
        if outcome is None:
            outcome = self._executed(call, fault)
        self._wait(self.timeout_s if outcome is TIMED_OUT else 0)
        return outcome

    def look_up(self, call: PspCall) -> Outcome | None:
        """Asks what became of a key."""
        self._wait(0)
        if not self.capabilities.looks_up or self._network.question_fails():
            return Unknown("no answer")
        found = self._network.psp.look_up(call.psp_key)
        self._moment()
        return found

    def cancel_by_reference(self, call: PspCall) -> Outcome:
        """Shuts a key out; that it was done may never be heard."""
        self._wait(0)
        if self._network.question_fails():
            return Unknown("no answer")
        answer = self._network.psp.shut_out(call)
        self._moment()
        return Unknown("no answer") if self._network.question_fails() else answer

    def _executed(self, call: PspCall, fault: Fault | None) -> Outcome:
        outcome = self._network.psp.execute(call)
        self._moment()
        match fault:
            case Fault.CONNECTOR_BROKEN:
                raise ConnectorBrokenError(call.psp_key)
            case Fault.UNANSWERED:
                return TIMED_OUT
            case Fault.FAILED_AFTER:
                return FAILED
            case _:
                return outcome

    def _wait(self, seconds: float) -> None:
        self._network.nature.clock.forward(LATENCY + timedelta(seconds=seconds))
        self._moment()

    def missing_settings(self, credential_ref: str) -> Sequence[str]:
        """None."""
        return ()

    def receive(self, delivery: Delivery, credential_ref: str, now: datetime) -> Sequence[SignedItem]:
        """Notices come without webhooks here."""
        raise WebhookRejectedError(Rejection.NOT_CONFIGURED)

    def interpret(self, content: bytes, credential_ref: str) -> Notice | None:
        """What a letter says; a PSP that can be asked is asked first, and may not answer."""
        if self.capabilities.looks_up and self._network.question_fails():
            raise PspSilentError("no answer")
        return self._network.psp.post.notice(content)

    def close(self) -> None:
        """Holds nothing."""
