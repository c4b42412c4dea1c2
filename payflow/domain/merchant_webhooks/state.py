"""Endpoints that a merchant's webhooks go to: each an aggregate of its own, event-sourced and versioned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

ID_PREFIX = "we"
ENDPOINTS_MAX = 16

# For so long the secret before the current one signs as well.
SECRETS_OVERLAP = timedelta(hours=24)


class EndpointStatus(StrEnum):
    """Whether an endpoint is told anything."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"


class DisabledReason(StrEnum):
    """Why an endpoint is disabled."""

    REQUESTED = "REQUESTED"
    DEAD = "DEAD"
    GONE = "GONE"


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Where a merchant wants to be told of events whose types match ``event_types``.

    Its secret follows from its id and ``secret_generation``, which grows with every rotation.
    """

    id: str
    merchant_id: str
    url: str
    description: str
    event_types: tuple[str, ...]
    status: EndpointStatus
    disabled_reason: DisabledReason | None
    secret_generation: int
    secret_rotated_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_enabled(self) -> bool:
        """Whether anything is sent to it."""
        return self.status is EndpointStatus.ENABLED

    def signing_generations(self, now: datetime) -> tuple[int, ...]:
        """Those whose secrets sign what is sent now, the current one first."""
        current = self.secret_generation
        if self.secret_rotated_at is None or now >= self.secret_rotated_at + SECRETS_OVERLAP:
            return (current,)
        return current, current - 1
