"""What a simulator does without being asked: settles what is due, and sends webhooks."""

from __future__ import annotations

import asyncio
from datetime import datetime

from payflow.psp.simulator.psp import Psp
from payflow.psp.simulator.sender import Receiver, Sender

SLEEP_MAX_S = 60.0


class Background:
    """One loop that sleeps until something is due on the simulator's clock, or ``wake`` is called."""

    def __init__(self, psp: Psp) -> None:
        self._psp = psp
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Says that something may be due now."""
        self._woken.set()

    async def run(self, receiver: Receiver | None) -> None:
        """Until it is canceled; without a receiver nothing is sent."""
        sender = receiver and Sender(self._psp.controls, self._psp.deliveries, receiver, self.wake)
        try:
            while True:
                self._woken.clear()
                while self._psp.settling.settle_next():
                    await asyncio.sleep(0)  # requests have their turn in between
                # Before anything is sent: what falls due after that is not to be slept through.
                looked_at = self._psp.controls.now()
                if sender:
                    sender.send_due()
                await self._until_due(looked_at)
        finally:
            if sender:
                await sender.close()

    async def _until_due(self, looked_at: datetime) -> None:
        now = self._psp.controls.now()
        times = (self._psp.schedule.next_due_at(), self._psp.deliveries.next_due_at(looked_at))
        waits_s = [(time - now).total_seconds() for time in times if time is not None]
        try:
            async with asyncio.timeout(min([SLEEP_MAX_S, *waits_s])):
                await self._woken.wait()
        except TimeoutError:
            return
