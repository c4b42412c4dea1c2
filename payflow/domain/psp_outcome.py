"""What a PSP call came to, in the words of the domain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal


class OperationType(StrEnum):
    """The kind of call that a PSP is asked for."""

    AUTHORIZE = "AUTHORIZE"
    CAPTURE = "CAPTURE"
    CANCEL = "CANCEL"
    REFUND = "REFUND"


INTERPRETATION: Final = "INTERPRETATION"
"""Asking a PSP for what an event of its webhooks speaks of."""

Gated = OperationType | Literal["INTERPRETATION"]
GATED: tuple[Gated, ...] = (*OperationType, INTERPRETATION)
"""What a PSP is asked for; each kind may fail while others work."""


class Advice(StrEnum):
    """What to do about a failure."""

    RETRY_ELSEWHERE = "RETRY_ELSEWHERE"
    RETRY_LATER = "RETRY_LATER"
    NEVER = "NEVER"
    STEP_UP = "STEP_UP"
    RECOLLECT = "RECOLLECT"

    @property
    def is_retryable(self) -> bool:
        """Whether the very same payment may succeed when it is tried again."""
        return self in (Advice.RETRY_ELSEWHERE, Advice.RETRY_LATER)


TEXT_MAX = 500


def clean(text: str) -> str:
    """What a PSP sent, as it can be stored: at most TEXT_MAX printable characters."""
    return "".join(character for character in text[:TEXT_MAX] if character.isprintable())


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an operation did not succeed, mostly made by ``declines.failure``.

    ``retryable`` says whether trying again may help, ``advice`` how.
    """

    code: str
    message: str
    psp_code: str = ""
    retryable: bool = False
    advice: Advice = Advice.NEVER

    def __post_init__(self) -> None:
        for name in ("code", "message", "psp_code"):
            object.__setattr__(self, name, clean(getattr(self, name)))
        # Events from before there was advice have none.
        object.__setattr__(self, "advice", self.advice or Advice.NEVER)


@dataclass(frozen=True, slots=True)
class NextAction:
    """What the payer has to do before an authorization can go on."""

    type: str
    redirect_url: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", clean(self.type))
        object.__setattr__(self, "redirect_url", "".join(filter(str.isprintable, self.redirect_url)))


@dataclass(frozen=True, slots=True)
class Approved:
    """The PSP did what it was asked. ``psp_id`` is the PSP's id of the payment, or of the refund."""

    psp_id: str
    authorization_expires_at: datetime | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "psp_id", clean(self.psp_id))


@dataclass(frozen=True, slots=True)
class Accepted:
    """The PSP took it in and tells later, by webhook, what came of it. ``psp_id`` is what it calls it.

    ``shuts_out`` says that what it took in is a cancellation of whatever became of the operation.
    """

    psp_id: str
    shuts_out: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "psp_id", clean(self.psp_id))


@dataclass(frozen=True, slots=True)
class ActionRequired:
    """The payer has to act; the payment waits at the PSP under ``psp_id``."""

    psp_id: str
    next_action: NextAction

    def __post_init__(self) -> None:
        object.__setattr__(self, "psp_id", clean(self.psp_id))


@dataclass(frozen=True, slots=True)
class Declined:
    """The PSP answered no, for good: nothing was executed under this key and nothing will be."""

    failure: Failure
    psp_id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "psp_id", clean(self.psp_id))


@dataclass(frozen=True, slots=True)
class NotExecuted:
    """Proof that nothing was executed: never sent, or shut out at the PSP by our reference."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Unknown:
    """Sent, but not answered: it may have been executed. ``detail`` is for logs only.

    ``repeatable`` says that the PSP was quick to fail, such as with a 5xx or a reset, so that the same
    key may be sent again within the call; after a time-out it is not. Not ``asked`` says that the PSP was
    spared the question what had become of it.
    """

    detail: str
    repeatable: bool = False
    asked: bool = True


Outcome = Approved | Accepted | ActionRequired | Declined | NotExecuted | Unknown
