"""PayFlow's processes: the real use cases on ports in memory. A dead one leaves nothing but the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, cast

from payflow.commands.ports import Ports
from payflow.domain.endpoint import Endpoint
from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding.submission import IdempotencyClaim, Result, Submission
from payflow.domain.merchant.state import Merchant
from payflow.domain.psp_outcome import Gated, Outcome
from payflow.domain.routing.decision import RoutingDecision
from payflow.domain.routing.request import RoutingRequest
from payflow.domain.routing.rules import Strategy
from tests.chaos.database import Database
from tests.chaos.line import Line, Network
from tests.chaos.nature import Nature

# How often a shut gate is taken for an open one before anything is written down.
MISTAKEN = 0.3


class Died(BaseException):
    """The process is dead: nothing behind this runs, which no ``except Exception`` may keep from being so."""


class Process:
    """One process until it dies, with what only it knows. ``moment`` is called wherever others may act."""

    def __init__(
        self,
        database: Database,
        networks: Mapping[str, Network],
        nature: Nature,
        moment: Callable[[Process], None],
    ) -> None:
        self.is_dead = False
        self._database = database
        self._nature = nature
        self._moment = moment
        self._responses: dict[tuple[str, str, bytes], bytes] = {}
        database_ports: Any = database
        nothing = cast("Any", None)
        self.ports = Ports(
            clock=nature.clock,
            entropy=nature.chance.randbytes,
            pipeline=self,
            payments=database_ports,
            attempts=database_ports,
            ledger=nothing,
            directory=database_ports,
            cached_response=self._cached_response,
            stored_response=database.stored_response,
            slots=self,
            gate=Gate(networks, nature),
            connectors={name: Line(network, self.passes) for name, network in networks.items()},
            routings=nothing,
            routing=nothing,
            route=self._route,
            learn=lambda account, outcome, elapsed_s: None,
            jitter=nature.chance,
            sleep=self._sleep,
            creates_merchants=False,
            webhook_endpoints=nothing,
            inbox=nothing,
            dead_letters=nothing,
            default_accounts=(),
        )

    def passes(self) -> None:
        """Lets others act. Raises Died."""
        self._moment(self)
        if self.is_dead:
            raise Died

    def commit(self, submission: Submission, deadline: float | None, *, always: bool = False) -> Result:
        """Fulfils payflow.commands.ports.Pipeline."""
        self.passes()
        if not always and deadline is not None and self._nature.clock.monotonic() >= deadline:
            raise PayFlowError(Reason.DEADLINE_EXCEEDED, "the caller's deadline has passed")
        result, changes = self._database.commit(submission)
        # What changed nothing left nothing behind that a second look could find.
        if changes.events and self._nature.happens(self._nature.weather.acknowledgement_lost):
            result = self._database.commit_again(submission)
        for scoped, record in changes.keys.items():
            if record is not None and record.response is not None:
                self._responses[*scoped, record.request_hash] = record.response
        self.passes()
        return result

    @contextmanager
    def hold(self, endpoint: Endpoint) -> Iterator[None]:
        """Fulfils payflow.commands.ports.Slots."""
        if self._nature.happens(self._nature.weather.slots_taken):
            raise PayFlowError(Reason.OVERLOADED, "no place to wait in", retry_after_s=1.0)
        yield

    def _route(self, merchant: Merchant, request: RoutingRequest, deadline: float) -> RoutingDecision:
        """Either account first, and the other one behind it."""
        order = sorted(merchant.psp_accounts)[:: self._nature.one_of((1, -1))]
        return RoutingDecision(0, 0, "", Strategy.PRIORITY, (), tuple(order))

    def _cached_response(self, merchant_id: str, claim: IdempotencyClaim, now: datetime) -> bytes | None:
        return self._responses.get((merchant_id, claim.key, claim.request_hash))

    def _sleep(self, seconds: float) -> None:
        self._nature.clock.forward(timedelta(seconds=seconds))
        self.passes()


class Gate:
    """Shut at times, which ``admits`` may not have heard of yet. Fulfils payflow.commands.ports.Gate."""

    def __init__(self, networks: Mapping[str, Network], nature: Nature) -> None:
        self._networks = networks
        self._nature = nature

    def admits(self, endpoint: Endpoint, operation: Gated) -> bool:
        return not self._networks[endpoint.connector].is_shut or self._nature.happens(MISTAKEN)

    def enter(self, endpoint: Endpoint, operation: Gated) -> str:
        return "breaker_open" if self._networks[endpoint.connector].is_shut else ""

    def leave(self, endpoint: Endpoint, operation: Gated, answer: Outcome | None) -> None:
        """Takes no note: when it is shut is drawn."""

    def answered(self, endpoint: Endpoint) -> None:
        self._networks[endpoint.connector].shut_until = self._nature.clock.now()
