"""What a PSP call came to, in the words of the domain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class OperationType(StrEnum):
    """The kind of call that a PSP is asked for."""

    AUTHORIZE = "AUTHORIZE"
    CAPTURE = "CAPTURE"
    CANCEL = "CANCEL"
    REFUND = "REFUND"


TEXT_MAX = 500


def clean(text: str) -> str:
    """What a PSP sent, as it can be stored: at most TEXT_MAX printable characters."""
    return "".join(character for character in text[:TEXT_MAX] if character.isprintable())


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an operation did not succeed; ``retryable`` says whether trying again may help."""

    code: str
    message: str
    psp_code: str = ""
    retryable: bool = False

    def __post_init__(self) -> None:
        for name in ("code", "message", "psp_code"):
            object.__setattr__(self, name, clean(getattr(self, name)))


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
    """Sent, but not answered: it may have been executed. ``detail`` is for logs only."""

    detail: str


Outcome = Approved | ActionRequired | Declined | NotExecuted | Unknown
