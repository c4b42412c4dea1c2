"""A command on its way through a batch, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payflow.domain.dead_letter_commands import DeadLetterCommand
from payflow.domain.dead_letter_events import DeadLetterEvent
from payflow.domain.errors import PayFlowError
from payflow.domain.intent.commands import IntentCommand
from payflow.domain.intent.events import IntentEvent
from payflow.domain.intent.state import Attempt, PaymentIntent
from payflow.domain.ledger.commands import (
    LedgerCommand,
    PostHold,
    PostTransaction,
    PostTransactions,
    ReverseTransaction,
    VoidHold,
)
from payflow.domain.ledger.events import LedgerEvent
from payflow.domain.merchant.commands import MerchantCommand
from payflow.domain.merchant.events import MerchantEvent
from payflow.domain.merchant.state import PspAccount
from payflow.domain.resources import Resource
from payflow.domain.routing.commands import RoutingCommand
from payflow.domain.routing.events import RoutingEvent

Command = IntentCommand | MerchantCommand | LedgerCommand | RoutingCommand | DeadLetterCommand
Event = IntentEvent | MerchantEvent | LedgerEvent | RoutingEvent | DeadLetterEvent

# What is undone is only known once it is loaded: mostly 2 entries, 100 at most. A batch of the longest books
# about as many entries as the largest bulk.
UNDOING_WEIGHT = 20


@dataclass(frozen=True, slots=True)
class IdempotencyClaim:
    """A caller's key and the hash of the request it stands for."""

    key: str
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a command came from, for the audit trail."""

    actor: str
    correlation_id: str
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """A command with everything that stays the same however often it is folded."""

    command: Command
    command_id: str
    now: datetime
    origin: Origin
    claim: IdempotencyClaim | None = None

    @property
    def weight(self) -> int:
        """About how many entries it books, at least 1, by which batches are bounded."""
        command = self.command
        if isinstance(command, PostTransactions):
            return sum(
                len(one.draft.postings) if isinstance(one, PostTransaction) else 1 for one in command.items
            )
        if isinstance(command, PostTransaction):
            return len(command.draft.postings)
        return UNDOING_WEIGHT if isinstance(command, PostHold | VoidHold | ReverseTransaction) else 1


@dataclass(frozen=True, slots=True)
class DueCall:
    """A PSP call that was written down and is now to be made or, where ``recovering``, first asked about.

    ``account`` is where it goes, ``fallbacks`` where it may go on to. One that was taken early ``was_due_at``
    that instant.
    """

    attempt: Attempt
    intent: PaymentIntent
    account: PspAccount
    fallbacks: tuple[PspAccount, ...] = ()
    recovering: bool = False
    was_due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """The command took effect; ``psp_call`` is the call that whoever sent it makes now.

    ``response`` is what was stored with the key, where the command answered one.
    """

    resource: Resource | None
    events: tuple[Event, ...] = ()
    psp_call: DueCall | None = None
    response: bytes | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """The key had been answered with ``response``.

    ``first`` says that this very command answered it, in a commit whose acknowledgement was lost.
    """

    response: bytes
    first: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing happened, and the key is free."""

    error: PayFlowError


Result = Applied | Replayed | Refused
