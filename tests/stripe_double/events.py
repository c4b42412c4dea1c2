"""Webhooks of the double, signed as Stripe signs them: docs.stripe.com/webhooks#verify-manually."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

import aiohttp

from tests.stripe_double.answers import Answer, Object

SECRET = "whsec_double"

EVENTS = {
    "requires_capture": "payment_intent.amount_capturable_updated",
    "requires_action": "payment_intent.requires_action",
    "requires_payment_method": "payment_intent.payment_failed",
    "succeeded": "payment_intent.succeeded",
    "canceled": "payment_intent.canceled",
}


class Events:
    """Tells one endpoint of everything that changes; what is new is kept while it ``holds``."""

    def __init__(
        self, client: aiohttp.ClientSession, url: str, secret: str, now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._url = url
        self._secret = secret
        self._now = now
        self._sending: set[asyncio.Task[None]] = set()
        self._held: list[tuple[str, Object]] = []
        self.holds = False

    def tell(self, answer: Answer) -> None:
        """Sends an event of what an answer is about."""
        subject = answer.body.get("error", {}).get("payment_intent") or answer.body
        kind = (
            "refund.created" if subject.get("object") == "refund" else EVENTS.get(subject.get("status", ""))
        )
        if kind is not None and not answer.is_replayed:
            self.send(kind, subject)

    def send(self, kind: str, subject: Object) -> None:
        """Sends an event; does not wait for it."""
        if self.holds:
            self._held.append((kind, subject))
            return
        task = asyncio.create_task(self._send(kind, subject))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def hold(self, holds: bool) -> None:
        """Sends none from now on, or again and what was kept before."""
        self.holds = holds
        kept, self._held = self._held, []
        for kind, subject in kept:
            self.send(kind, subject)

    async def settle(self) -> None:
        """Waits for those that are on their way."""
        await asyncio.gather(*self._sending)

    async def _send(self, kind: str, subject: Object) -> None:
        event = {"id": f"evt_{uuid4().hex}", "object": "event", "type": kind, "data": {"object": subject}}
        body = json.dumps(event).encode()
        sent_at = int(self._now().timestamp())
        signature = hmac.new(self._secret.encode(), b"%d." % sent_at + body, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={sent_at},v1={signature}", "Content-Type": "application/json"}
        try:
            async with self._client.post(self._url, data=body, headers=headers) as response:
                told = f"answered {response.status}"
        except aiohttp.ClientError as error:
            told = f"failed: {error}"
        print(f"{kind} of {subject['id']} to {self._url}: {told}", file=sys.stderr, flush=True)
