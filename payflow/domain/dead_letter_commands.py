"""What can be asked of dead letters, and what comes of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.domain.dead_letter import DeadLetter, DeadLetterState, LetterKey
from payflow.domain.dead_letter_events import DeadLetterDiscarded, DeadLetterEvent, DeadLetterRetried
from payflow.domain.errors import PayFlowError, Reason, not_found

KIND = "dead letter"


@dataclass(frozen=True, slots=True)
class RetryDeadLetter:
    """Has a parked letter, and what waits behind it, tried again."""

    key: LetterKey

    @property
    def merchant_id(self) -> str:
        """The merchant."""
        return self.key.merchant_id


@dataclass(frozen=True, slots=True)
class DiscardDeadLetter:
    """Gives a parked letter up, so that what waits behind it is tried."""

    key: LetterKey
    reason: str

    @property
    def merchant_id(self) -> str:
        """The merchant."""
        return self.key.merchant_id


DeadLetterCommand = RetryDeadLetter | DiscardDeadLetter


def decide(found: DeadLetter | None, command: DeadLetterCommand) -> DeadLetterEvent:
    """What a command makes happen. Raises PayFlowError when it is refused."""
    if found is None:
        raise not_found(KIND, command.key.id)
    if found.state is not DeadLetterState.PARKED:
        raise PayFlowError(
            Reason.INVALID_STATE_TRANSITION,
            f"the {KIND} {command.key.id} is {found.state.lower()}, not parked",
            subject=command.key.id,
        )
    told = (found.consumer, found.letter.aggregate_id, found.letter.aggregate_version, found.letter.type)
    match command:
        case RetryDeadLetter():
            return DeadLetterRetried(*told)
        case DiscardDeadLetter():
            return DeadLetterDiscarded(*told, command.reason)


def state_after(event: DeadLetterEvent) -> DeadLetterState:
    """Where a letter stands behind an event."""
    if isinstance(event, DeadLetterRetried):
        return DeadLetterState.RETRYING
    return DeadLetterState.DISCARDED
