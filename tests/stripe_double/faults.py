"""What goes wrong on the way to Stripe and inside it, for the tests that ask for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum, auto

from tests.stripe_double.answers import Answer


class Moment(Enum):
    """When a fault strikes a request."""

    ARRIVING = auto()
    """Before its key is looked at; an answer is not kept."""
    KEYED = auto()
    """Behind its key, in place of the execution."""
    EXECUTED = auto()
    """Behind the execution, in place of its answer."""


@dataclass(slots=True)
class Hold:
    """Keeps a request from going on until it is let go; ``reached`` tells that it is there."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Fault:
    """Strikes the next request whose method and path are ``on``, such as "POST /v1/refunds", or end so.

    ``answer`` is given instead of the true one. Without one the connection is cut, or with a ``hold`` the
    request waits. ``loses_confirm`` lets a payment be made, but not confirmed.
    """

    on: str
    moment: Moment = Moment.EXECUTED
    answer: Answer | None = None
    hold: Hold | None = None
    loses_confirm: bool = False


class Faults:
    """Those that are still to strike, in order."""

    def __init__(self) -> None:
        self._pending: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Lets it strike once."""
        self._pending.append(fault)

    def take(self, request: str, moment: Moment) -> Fault | None:
        """The fault that strikes the request at the moment."""
        for fault in self._pending:
            method, path = fault.on.split(" ")
            if request.startswith(method) and request.endswith(path) and fault.moment is moment:
                self._pending.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._pending.clear()
