"""Sends webhooks: by itself and in order, as Adyen does, or when it is told to and as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp

from tests.adyen_double.notifications import delivery
from tests.adyen_double.store import Store, Webhook

POLL_S = 0.02
# Whoever is only slow is not sent the same twice.
TIMEOUT = aiohttp.ClientTimeout(total=120)
NOBODY = 0


class Deliveries:
    """Tells one merchant. While it ``holds``, nothing is sent by itself.

    One that is not accepted is tried again every ``retry_s``, and nothing behind it is sent before.
    """

    def __init__(self, store: Store, url: str, hmac_key: str, retry_s: float) -> None:
        """``url`` is empty where nobody is to be told."""
        self.holds = False
        self.items_per_delivery = 1
        self._store = store
        self._url = url
        self._hmac_key = hmac_key
        self._retry_s = retry_s

    async def run(self) -> None:
        """Sends until it is cancelled."""
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            while True:
                sent = await self._send_pending(session)
                await asyncio.sleep(POLL_S if sent else self._retry_s)

    async def deliver(self, numbers: Sequence[int], together: bool) -> list[int]:
        """Sends these items now, in this order and as often as they are named; answers the statuses."""
        known = {webhook.id: webhook for webhook in self._store.webhooks()}
        chosen = [known[number] for number in numbers]
        batches = [chosen] if together else [[webhook] for webhook in chosen]
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            return [await self._send(session, batch) for batch in batches]

    async def _send_pending(self, session: aiohttp.ClientSession) -> bool:
        """Whether there is no reason to wait longer than usual."""
        if self.holds or not self._url:
            return True
        batch = self._store.pending_webhooks(self.items_per_delivery)
        return not batch or _is_accepted(await self._send(session, batch))

    async def _send(self, session: aiohttp.ClientSession, batch: Sequence[Webhook]) -> int:
        body = delivery([webhook.item for webhook in batch], self._hmac_key)
        try:
            async with session.post(self._url, json=body) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError):
            return NOBODY
        if _is_accepted(status):
            for webhook in batch:
                self._store.accept_webhook(webhook.id)
        return status


def _is_accepted(status: int) -> bool:
    return 200 <= status < 300
