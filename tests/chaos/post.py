"""Brings PSPs' notices to PayFlow's inbox: late, twice, out of order, some never. None is invented."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from payflow.domain.endpoint import Endpoint
from payflow.domain.psp_notice import Notice
from payflow.domain.webhook import Settlement, Webhook, WebhookState
from tests.chaos.nature import Nature

DELAYS_S = (0.5, 4.0, 20.0, 90.0, 400.0)
DEFECT = "the log says more"


@dataclass(order=True, slots=True)
class Letter:
    """A notice about the intent with ``intent_id``, which comes through the PSP account ``psp``.

    One that is not ``is_true`` is true of something else, and not to be believed.
    """

    arrives_at: datetime
    number: int
    psp: str = field(compare=False)
    intent_id: str = field(compare=False)
    read: Callable[[], Notice] = field(compare=False)
    is_true: bool = field(compare=False, default=True)


class Post:
    """Letters on their way, and the inbox that they come to.

    The inbox keeps the order of each payment as payflow.store.webhooks.queue.WebhookQueue does.
    """

    def __init__(self, nature: Nature, owner_of: Callable[[str], str]) -> None:
        """``owner_of`` finds the merchant of an intent."""
        self._nature = nature
        self._owner_of = owner_of
        self._coming: list[Letter] = []
        self._numbers = count(1)
        self._letters: dict[str, Letter] = {}
        self._inbox: dict[str, list[Webhook]] = {}
        self._yielding: set[str] = set()
        self.parked: list[Webhook] = []
        self.defects: list[str] = []

    def send(self, psp: str, intent_id: str, read: Callable[[], Notice], may_be_lost: bool) -> None:
        """``read`` gives what it says when it is read; ``may_be_lost``: its news can be had otherwise."""
        nature = self._nature
        if may_be_lost and nature.happens(nature.weather.dropped):
            return
        for _ in range(1 + nature.happens(nature.weather.duplicated)):
            delay_s = nature.one_of(DELAYS_S) if nature.happens(nature.weather.delayed) else 0.1
            self.put(nature.clock.now() + timedelta(seconds=delay_s), psp, intent_id, read)

    def put(
        self,
        arrives_at: datetime,
        psp: str,
        intent_id: str,
        read: Callable[[], Notice],
        is_true: bool = True,
    ) -> None:
        """One letter."""
        letter = Letter(arrives_at, next(self._numbers), psp, intent_id, read, is_true)
        heapq.heappush(self._coming, letter)

    def notice(self, content: bytes) -> Notice:
        """What a letter says."""
        return self._letters[content.decode()].read()

    @property
    def next_at(self) -> datetime | None:
        """When the next letter comes, or is due."""
        due = [letter.arrives_at for letter in self._coming[:1]]
        for pending in filter(None, self._inbox.values()):
            due += [webhook.due_at for webhook in self._reachable(pending)]
        return min(due, default=None)

    def take(self, now: datetime, lease: timedelta, limit: int, deadline: float) -> list[Webhook]:
        """As WebhookQueue.take: of each payment what came first, past what has to wait."""
        self._receive(now)
        taken: list[Webhook] = []
        for pending in filter(None, self._inbox.values()):
            reachable = enumerate(self._reachable(pending))
            at = next((at for at, webhook in reachable if webhook.due_at <= now), None)
            if at is not None and len(taken) < limit:
                first = pending[at]
                pending[at] = replace(first, tries=first.tries + 1, due_at=now + lease)
                self._yielding.discard(first.id)
                taken.append(pending[at])
        return taken

    def settle(self, webhook: Webhook, settlement: Settlement, now: datetime, deadline: float) -> bool:
        """As WebhookQueue.settle: False where somebody else has begun another try."""
        pending = self._inbox[webhook.intent_id]
        if webhook not in pending:
            return False
        if settlement.detail.endswith(DEFECT):
            self.defects.append(settlement.detail)
        at = pending.index(webhook)
        if settlement.state is WebhookState.PENDING:
            assert settlement.due_at is not None
            pending[at] = replace(webhook, due_at=settlement.due_at)
            if settlement.yields:
                self._yielding.add(webhook.id)
            return True
        del pending[at]
        if settlement.state is WebhookState.PARKED and self._letters[webhook.id].is_true:
            self.parked.append(replace(webhook, detail=settlement.detail))
        return True

    def retry_parked(self, now: datetime) -> None:
        """An operator has what is parked tried again."""
        for webhook in self.parked:
            self._inbox[webhook.intent_id].append(replace(webhook, tries=0, due_at=now))
        self.parked.clear()

    def _receive(self, now: datetime) -> None:
        while self._coming and self._coming[0].arrives_at <= now:
            letter = heapq.heappop(self._coming)
            webhook = self._webhook(letter)
            self._letters[webhook.id] = letter
            self._inbox.setdefault(letter.intent_id, []).append(webhook)

    def _reachable(self, pending: list[Webhook]) -> list[Webhook]:
        """What comes first, and what comes behind it where that lets others pass."""
        at = next((at for at, one in enumerate(pending) if one.id not in self._yielding), len(pending))
        return pending[: at + 1]

    def _webhook(self, letter: Letter) -> Webhook:
        name = str(letter.number)
        return Webhook(
            id=name,
            merchant_id=self._owner_of(letter.intent_id),
            intent_id=letter.intent_id,
            endpoint=Endpoint(letter.psp, ""),
            event_id=name,
            psp_account_id=letter.psp,
            reference="",
            content=name.encode(),
            received_at=letter.arrives_at,
            correlation_id="chaos",
            traceparent="",
            state=WebhookState.PENDING,
            tries=0,
            due_at=letter.arrives_at,
            detail="",
            settled_at=None,
        )
