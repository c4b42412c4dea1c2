"""What the server process needs of the application it serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from server.config import Settings
from server.rpc.interceptors.rate_limit import CallRates


@dataclass(frozen=True, slots=True)
class Binding:
    """One service: its full name, the generated ``add_…Servicer_to_server``, and who serves it."""

    service: str
    register: Callable[[Any, grpc.Server], None]
    servicer: object


class Application(Protocol):
    """The use cases behind the services, with everything that they hold open."""

    @property
    def bindings(self) -> Sequence[Binding]:
        """The services it serves."""
        ...

    @property
    def call_rates(self) -> CallRates | None:
        """How often each merchant may call; None for as often as it likes."""
        ...

    @property
    def psp_timeout_s(self) -> float:
        """How long the slowest PSP may take to answer."""
        ...

    def ready(self) -> bool:
        """Whether a payment could be taken now. It may raise; that counts as no."""
        ...

    def drain(self, timeout_s: float) -> None:
        """Waits, at most ``timeout_s``, for the work that was accepted and has outlived its call."""
        ...

    def close(self) -> None:
        """Lets go of everything."""
        ...


ApplicationFactory = Callable[[Settings], Application]
