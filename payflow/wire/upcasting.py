"""Brings stored events to the newest layout of their type, one version at a time.

Every version of a type is kept in the same protobuf message: a field that changes its meaning gets another
number, and a field that is added is one that older events did not say. What they meant by that is written
here, once; whoever reads events knows the newest layout only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from payflow.domain.ledger.chart import Role, psp_account_of
from payflow.v1 import ledger_pb2

Step = Callable[[Any], None]
"""Changes a message of one version into one of the next."""

FIRST_VERSION = 1


class NewerEventError(Exception):
    """An event has a layout that this release does not know: a newer release wrote it."""

    def __init__(self, name: str, version: int, known: int) -> None:
        super().__init__(
            f"an event {name} has layout {version}, and this release knows none after {known}: a newer "
            f"release wrote it"
        )


class Upcasting:
    """``steps`` by the type's name and the version that each starts from."""

    def __init__(self, steps: Mapping[tuple[str, int], Step]) -> None:
        """Raises ValueError where a type's steps do not start from 1 and follow each other."""
        self._steps: dict[str, list[Step]] = {}
        for (name, version), step in sorted(steps.items()):
            chain = self._steps.setdefault(name, [])
            if version != FIRST_VERSION + len(chain):
                raise ValueError(f"{name}: there is no step from {FIRST_VERSION + len(chain)}")
            chain.append(step)

    def newest(self, name: str) -> int:
        """The version in which events of a type are written now."""
        return FIRST_VERSION + len(self._steps.get(name, ()))

    def require_known(self, name: str, version: int) -> None:
        """Raises NewerEventError for a version that this release does not know."""
        newest = self.newest(name)
        if not FIRST_VERSION <= version <= newest:
            raise NewerEventError(name, version, newest)

    def upcast(self, name: str, version: int, message: Message) -> None:
        """Changes a message as it was stored into one of the newest version. Raises NewerEventError."""
        self.require_known(name, version)
        for step in self._steps.get(name, ())[version - FIRST_VERSION :]:
            step(message)


def _captured_where(message: Any) -> None:
    """Says the currency and the PSP account, which were in the names of the ledger's accounts alone."""
    _tell_place(message, _moved_at_psp(message))


def _refunded_what(message: Any) -> None:
    """Says the amount too, which RefundCreated alone said."""
    moved = _moved_at_psp(message)
    message.amount = -moved.amount
    _tell_place(message, moved)


def _tell_place(message: Any, moved: Any) -> None:
    message.currency = moved.currency
    message.psp_account_id = psp_account_of(moved.account_id)


def _moved_at_psp(message: Any) -> Any:
    """The entry by which money moved at the PSP; a capture and a refund have one each. Raises ValueError."""
    for entry in message.transaction.entries:
        if entry.layer == ledger_pb2.LAYER_POSTED and Role.PSP_CLEARING.is_of(entry.account_id):
            return entry
    raise ValueError(f"{message.DESCRIPTOR.name} books nothing at a PSP")


UPCASTING = Upcasting(
    {
        ("payment_intent.captured", 1): _captured_where,
        ("refund.succeeded", 1): _refunded_what,
    }
)
