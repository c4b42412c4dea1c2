"""What a decision is made from, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.ids import derive_id
from payflow.domain.intent.events import IntentEvent
from payflow.domain.intent.state import PaymentIntent
from payflow.domain.merchant.state import Merchant
from payflow.domain.texts import Texts


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything a decision may look at besides the aggregate. ``lease`` is for PSP calls it starts."""

    command_id: str
    now: datetime
    merchant: Merchant
    lease: timedelta
    idempotency_key: str = ""

    def new_id(self, prefix: str) -> str:
        """The id of the one thing of its kind that the command makes; the same whenever it is folded."""
        return derive_id(prefix, self.command_id, self.merchant.slot)


@dataclass(frozen=True, slots=True)
class Decision:
    """Events to record, free text to keep, and the attempt whose PSP call the caller now makes."""

    events: tuple[IntentEvent, ...] = ()
    texts: Mapping[str, Texts] = field(default_factory=dict)
    attempt_id: str = ""
    refund_id: str = ""


def refuse_move(intent: PaymentIntent, action: str) -> PayFlowError:
    """An INVALID_STATE_TRANSITION error."""
    status = intent.status.lower()
    return PayFlowError(
        Reason.INVALID_STATE_TRANSITION,
        f"cannot {action} a payment intent that is {status}",
        metadata={"status": status},
        subject=intent.id,
    )
