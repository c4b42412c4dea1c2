"""The protocol that every PSP connector fulfils, and how one is found.

A connector is one package. It is found by the entry point group ``payflow.connectors``, whose entries
are callables that take Settings and make the connector; docs/connectors.md builds one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from payflow.domain.psp_capabilities import Capabilities
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import OperationType, Outcome

ENTRY_POINT_GROUP = "payflow.connectors"


@dataclass(frozen=True, slots=True)
class PspCall:
    """One call as it is asked of a PSP; every repeat of it is equal, ``psp_key`` included.

    ``amount`` is minor units of ``currency``. ``psp_payment_id`` is empty for a first authorization;
    for an authorization that is resumed, and for capture, cancel and refund, it is the PSP's id of the
    payment. ``sale`` asks an authorization to take the money at once. ``live`` says that real money
    moves. ``payment_method`` is a token and ``payment_method_type`` its kind, such as ``card``;
    ``country`` is the payer's (ISO 3166-1 alpha-2), empty where it is not known. ``return_url`` is where
    the payer comes back to, and ``action_result`` what they brought back, such as Adyen's redirectResult.
    ``asked_at`` is when it was first asked. ``awaits_payer`` says that the payment still waited for its
    payer when this was asked: as far as PayFlow knows it was never authorized. A cancel of which the PSP need
    not be told is then Approved without an id.
    """

    operation: OperationType
    psp_key: str
    merchant_id: str
    psp_account_id: str
    credential_ref: str
    amount: int
    currency: str
    payment_method: str = ""
    psp_payment_id: str = ""
    sale: bool = False
    live: bool = False
    payment_method_type: str = "card"
    country: str = ""
    return_url: str = ""
    action_result: str = ""
    asked_at: datetime | None = None
    awaits_payer: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook as it arrived: header names in lower case, the body's raw bytes."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class SignedItem:
    """One event of a delivery whose signature held.

    ``event_id`` is the same for every delivery of the event. ``reference`` is the ``psp_key`` that it
    speaks of, or another of the same payment; empty where it names none of ours. ``content`` is what
    ``interpret`` reads.
    """

    event_id: str
    reference: str
    content: bytes


class Rejection(StrEnum):
    """Why a webhook was turned away."""

    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_WRONG = "signature_wrong"
    TOO_OLD = "too_old"
    IN_THE_FUTURE = "in_the_future"
    MALFORMED = "malformed"
    NOT_CONFIGURED = "not_configured"


class WebhookRejectedError(Exception):
    """A delivery that is not to be believed; ``detail`` is for logs only."""

    def __init__(self, rejection: Rejection, detail: str = "") -> None:
        super().__init__(f"{rejection}: {detail}" if detail else rejection)
        self.rejection = rejection
        self.detail = detail


class PspSilentError(Exception):
    """The PSP had to be asked about a webhook and did not answer; the same webhook is read again later."""


class Connector(Protocol):
    """Speaks to one PSP; any number of threads may use it.

    Methods that talk about a call never raise for what a PSP or a network can do: they answer Unknown.
    ``timeout_s`` bounds every call.
    """

    name: str
    timeout_s: float
    capabilities: Capabilities
    webhook_reply: str
    """The body that the PSP wants a webhook to be answered with."""

    def missing_settings(self, credential_ref: str) -> Sequence[str]:
        """The environment variables that an account with this reference needs and that are not set."""
        ...

    def execute(self, call: PspCall) -> Outcome:
        """Asks the PSP to do it. A connection that was never made is NotExecuted; silence is Unknown."""
        ...

    def look_up(self, call: PspCall) -> Outcome | None:
        """Asks what became of the call's ``psp_key``; None when the PSP has never seen it.

        Only called where ``capabilities.looks_up``.
        """
        ...

    def cancel_by_reference(self, call: PspCall) -> Outcome:
        """Shuts the call's ``psp_key`` out for good.

        NotExecuted proves that nothing was, or ever will be, executed under it. When it had been
        executed already, the answer is what look_up would say, and nothing is changed; where the PSP
        cannot tell, it cancels what was executed, and Accepted says that a webhook will tell.
        """
        ...

    def receive(self, delivery: Delivery, credential_ref: str, now: datetime) -> Sequence[SignedItem]:
        """The events of a webhook, verified over its raw bytes. Raises WebhookRejectedError."""
        ...

    def interpret(self, content: bytes, credential_ref: str) -> Notice | None:
        """What a verified event says; None where it is of no interest.

        What the signature does not cover is asked of the PSP where that is possible (PspSilentError),
        and otherwise not believed. Any other error means that the content makes no sense.
        """
        ...

    def close(self) -> None:
        """Lets go of its connections."""
        ...


class Settings(Protocol):
    """A connector's settings: environment variables of its own choosing, which it names in full.

    With a ``credential_ref`` such as ``SHOP1``, the variable ``SHOP1_{name}`` is meant. Raises for a
    value that cannot be used, naming the variable.
    """

    def text(self, name: str, credential_ref: str = "") -> str | None:
        """A string, None where it is not set."""
        ...

    def url(self, name: str, default: str, credential_ref: str = "") -> str:
        """An http or https URL, without a slash at its end."""
        ...

    def duration_s(self, name: str, default_s: float) -> float:
        """Seconds, written such as ``10s`` or ``24h``."""
        ...


ConnectorFactory = Callable[[Settings], Connector]
