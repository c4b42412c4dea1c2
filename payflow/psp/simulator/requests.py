"""What the simulator is asked, with the limits that it puts on every field."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct, ValidationError
from msgspec.json import Decoder

AMOUNT_MAX = 2**63 - 1

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Amount = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Token = Annotated[str, Meta(max_length=255)]


class Operation(StrEnum):
    """What can be asked for; the value is the path of the HTTP API."""

    AUTHORIZE = "authorize"
    CONFIRM = "confirm"
    CAPTURE = "capture"
    CANCEL = "cancel"
    REFUND = "refund"


class Key(Struct, frozen=True, forbid_unknown_fields=True):
    """An idempotency key in its scope: a merchant's account at this PSP."""

    psp_account: Name
    merchant: Name
    reference: Name


class Instruction(Key, frozen=True, forbid_unknown_fields=True):
    """The body of every operation; ``amount`` is minor units of ``currency``.

    ``payment_method`` and ``sale`` belong to authorize, ``payment_id`` to all the others. Only cancel,
    which always cancels all of it, does not heed the amount.
    """

    amount: Amount
    currency: Currency
    payment_method: Token = ""
    payment_id: Token = ""
    sale: bool = False


class Subject(Struct, frozen=True):
    """An operation that was asked for: the ``execution``-th request under its key, counted from 1.

    ``payment_id`` is empty where there is no payment, ``id`` what the caller is given: the refund of a
    refund, otherwise the payment.
    """

    operation: Operation
    asked: Instruction
    execution: int
    payment_id: str
    id: str


_INSTRUCTION = Decoder(Instruction)


def read_instruction(operation: Operation, body: bytes) -> Instruction:
    """The instruction in a request's body; raises msgspec.MsgspecError where it is none."""
    instruction = _INSTRUCTION.decode(body)
    if operation is not Operation.CANCEL and instruction.amount == 0:
        raise ValidationError("Expected `int` >= 1 - at `$.amount`")
    return instruction
