"""Routes payments: gathers what is known of a merchant's PSP accounts and decides by the merchant's rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from payflow.domain.clock import Clock
from payflow.domain.endpoint import Endpoint
from payflow.domain.merchant.state import Merchant, PspAccount
from payflow.domain.psp_capabilities import Capabilities, PspCosts
from payflow.domain.psp_outcome import OperationType
from payflow.domain.routing.candidate import Candidate, Exclusion, exclusion
from payflow.domain.routing.decision import RoutingDecision
from payflow.domain.routing.request import RoutingRequest
from payflow.domain.routing.state import Routing
from payflow.psp.connector import Connector
from payflow.psp.performance import Observed, Performance

MERCHANTS_MAX = 10_000
NO_COSTS = PspCosts()
NOTHING: Observed = (0, 0, 0)

RoutingOf = Callable[[str, float], Routing]
Admits = Callable[[Endpoint, OperationType], bool]
HasRoom = Callable[[Endpoint], bool]


class _Prepared(NamedTuple):
    """What stays the same of an account from payment to payment."""

    account: PspAccount
    endpoint: Endpoint
    capabilities: Capabilities | None
    costs: PspCosts


class Router:
    """Decides without I/O of its own; any number of threads may use it.

    ``routing_of`` finds a merchant's rules and experiment before a deadline, mostly from memory. ``admits``
    says whether calls of a kind are let through to a PSP now, ``has_room`` whether one more payment may wait
    for it.
    """

    def __init__(
        self,
        connectors: Mapping[str, Connector],
        routing_of: RoutingOf,
        performance: Performance,
        clock: Clock,
        admits: Admits,
        has_room: HasRoom,
    ) -> None:
        self._connectors = connectors
        self._routing_of = routing_of
        self._performance = performance
        self._clock = clock
        self._admits = admits
        self._has_room = has_room
        self._prepared: dict[str, tuple[Merchant, list[_Prepared]]] = {}

    def route(self, merchant: Merchant, request: RoutingRequest, deadline: float) -> RoutingDecision:
        """The decision, with every account of the merchant as a candidate."""
        observed = self._performance.of_merchant(merchant.id, self._clock.now())
        candidates = []
        for account, endpoint, capabilities, costs in self._accounts(merchant):
            why = exclusion(account, capabilities, request)
            if why is None and not self._admits(endpoint, OperationType.AUTHORIZE):
                why = Exclusion.UNAVAILABLE
            if why is None and not self._has_room(endpoint):
                why = Exclusion.BUSY
            cost = costs.cost_of(request.amount, request.currency)
            samples, success_ppm, latency_ms = observed.get(account.id, NOTHING)
            candidates.append(
                Candidate(
                    account.id,
                    account.connector,
                    account.priority,
                    why,
                    cost,
                    samples,
                    success_ppm,
                    latency_ms,
                )
            )
        return self._routing_of(merchant.id, deadline).route(request, candidates)

    def _accounts(self, merchant: Merchant) -> list[_Prepared]:
        known, prepared = self._prepared.get(merchant.id, (None, []))
        if known is not merchant:
            if len(self._prepared) >= MERCHANTS_MAX:
                self._prepared.clear()
            prepared = [self._prepare(account) for account in merchant.psp_accounts_by_priority()]
            self._prepared[merchant.id] = merchant, prepared
        return prepared

    def _prepare(self, account: PspAccount) -> _Prepared:
        connector = self._connectors.get(account.connector)
        if connector is None or connector.missing_settings(account.credential_ref):
            return _Prepared(account, account.endpoint, None, NO_COSTS)
        capabilities = connector.capabilities
        return _Prepared(account, account.endpoint, capabilities, account.costs(capabilities.costs))
