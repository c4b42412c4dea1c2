"""Brings a database to rest without waiting: workers' rounds on a clock that is turned."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil

from payflow.commands.resolve_payment_intent import resolve_payment_intent
from payflow.domain.errors import PayFlowError
from payflow.domain.intent.state import AttemptState
from payflow.domain.resources import OpenAttempt
from payflow.domain.webhook import WebhookFilter, WebhookState
from server.config import Settings
from server.connectors import load_connectors
from server.wiring import Core
from server.worker.expediting import BEFORE_ALL, Expediting
from server.worker.payments import EXPEDITING_EVERY_S
from server.worker.recovery import Recovery
from server.worker.side_by_side import background_call
from server.worker.webhooks import Webhooks
from tests.chaos.real.faults import HAPPENED_AFTER_S, PATIENT
from tests.chaos.real.undoing import undo_by_hand
from tests.simulators import Simulator
from tests.turned_clock import TurnedClock
from tests.waiting import WAIT_S

CALM_S = 60
HELD_MAX_S = 300
OPERATORS_LOOK_AFTER_S = 20
OPEN_MAX = 100_000
ROUNDS_MAX = 100


@dataclass(frozen=True, slots=True)
class Rest:
    """``unknown`` outcomes there were behind the last fault; ``known_after_s`` later there was none."""

    calm_since: datetime
    unknown: int
    known_after_s: int | None


class Resting:
    """A worker and an operator of their own, with all the time in the world."""

    def __init__(self, environment: Mapping[str, str], simulators: Mapping[str, Simulator]) -> None:
        self.clock = TurnedClock()
        self.core = Core(Settings.from_environment(environment), self.clock)
        self._patient = load_connectors({**environment, **PATIENT})
        self.core.ports = replace(self.core.ports, connectors=self._patient)
        self._simulators = simulators
        self._recovery = Recovery(self.core.ports, self.core.due)
        self._expediting = Expediting(self.core.ports)
        self._webhooks = Webhooks(self.core.ports, self.core.webhooks, self.core.lease)

    def calm_down(self) -> Rest:
        """The first minute without faults, second by second, and as long as the dead hold anything."""
        calm_since, unknown = self.clock.now(), len(self._unknown())
        known_after_s = None
        for second in range(CALM_S + self._held_s() + 1):
            self._work()
            if second % int(EXPEDITING_EVERY_S) == 0:
                self._expediting.round()
            if second == OPERATORS_LOOK_AFTER_S:
                self._look_after_what_is_parked()
            if known_after_s is None and not self._unknown():
                known_after_s = second
            self._turn_clocks(1)
        return Rest(calm_since, unknown, known_after_s)

    def come_to_rest(self) -> None:
        """Until no call's outcome is still to come."""
        for _ in range(ROUNDS_MAX):
            self._work()
            if not self._open():
                return
            self._look_after_what_is_parked()
            self._turn_clocks(3_600)
        raise AssertionError("it does not come to rest")

    def close(self) -> None:
        """Lets go of everything."""
        self.core.close()
        for connector in self._patient.values():
            connector.close()

    def _turn_clocks(self, seconds: float) -> None:
        """The simulators' too, so that nothing happens before it was asked for."""
        self.clock.forward(seconds=seconds)
        ahead_s = (self.clock.now() - datetime.now(UTC)).total_seconds()
        for simulator in self._simulators.values():
            simulator.behave(clock_offset_s=HAPPENED_AFTER_S + max(0.0, ahead_s))

    def _work(self) -> None:
        while self._webhooks.due():
            pass
        while self._recovery.attempts():
            pass

    def _look_after_what_is_parked(self) -> None:
        """An operator asks about it, undoes by hand what a PSP refused to, and has notices tried again."""
        deadline = time.monotonic() + WAIT_S
        for one in self._open():
            if one.attempt.state is AttemptState.PARKED and one.attempt.undoes:
                simulator = self._simulators[one.attempt.psp_account_id]
                undo_by_hand(self.core, simulator, one, deadline)
            elif one.attempt.state is AttemptState.PARKED:
                self._resolve(one, deadline)
        parked = self.core.ports.inbox.page(WebhookFilter(state=WebhookState.PARKED), "", OPEN_MAX, deadline)
        for webhook in parked:
            self.core.ports.inbox.retry(webhook.merchant_id, webhook.id, self.clock.now(), deadline)

    def _resolve(self, one: OpenAttempt, deadline: float) -> None:
        intent_id = one.attempt.payment_intent_id
        view = self.core.ports.payments.payment_intent(one.merchant_id, intent_id, deadline)
        assert view is not None
        try:
            resolve_payment_intent(self.core.ports, background_call("operator", intent_id), view.intent)
        except PayFlowError:
            return

    def _open(self) -> list[OpenAttempt]:
        deadline = time.monotonic() + WAIT_S
        return self.core.ports.attempts.open("", self.clock.now(), BEFORE_ALL, OPEN_MAX, deadline)

    def _held_s(self) -> int:
        """How long leases of those who died still last."""
        now = self.clock.now()
        held = [one.attempt for one in self._open() if one.attempt.state is AttemptState.RUNNING]
        last_s = max((ceil((one.due_at - now).total_seconds()) for one in held), default=0)
        return min(HELD_MAX_S, max(0, last_s))

    def _unknown(self) -> list[OpenAttempt]:
        return [one for one in self._open() if one.attempt.state is AttemptState.UNKNOWN]
