"""The simulator's background: it sleeps through nothing that falls due."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from payflow.psp.simulator import background
from payflow.psp.simulator.background import Background
from payflow.psp.simulator.requests import Operation
from payflow.psp.simulator.sender import Receiver
from tests.simulated_bank import Bank, opened_bank
from tests.waiting import WAIT_S


class SlowSender:
    """Sends nothing; behind its first look at what is due a second passes."""

    def __init__(self, bank: Bank) -> None:
        self.saw_it_due = asyncio.Event()
        self._bank = bank

    def send_due(self) -> None:
        if self._bank.psp.deliveries.due(self._bank.now, 1):
            self.saw_it_due.set()
        self._bank.now += timedelta(seconds=1)

    async def close(self) -> None:
        """There is nothing to give up."""


def test_a_webhook_that_falls_due_while_others_are_sent_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "SLEEP_MAX_S", 10 * WAIT_S)

    async def run(bank: Bank) -> None:
        sender = SlowSender(bank)
        monkeypatch.setattr(background, "Sender", lambda *_: sender)
        working = asyncio.create_task(Background(bank.psp).run(Receiver("http://nowhere.test", "secret")))
        try:
            await asyncio.wait_for(sender.saw_it_due.wait(), WAIT_S)
        finally:
            working.cancel()
            await asyncio.wait([working])

    with opened_bank(announces=True) as bank:
        bank.behave(webhooks={"delayed": 1, "delay_s": 0.5})
        bank.ask(Operation.AUTHORIZE, "key")
        asyncio.run(run(bank))
