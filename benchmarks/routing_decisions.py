"""Microseconds of a routing decision beside hashing 1 kB, in one run.

Run with ``make benchmark-routing``. A decision is everything between the payment and the order of accounts:
capabilities, costs, breakers, places to wait in, statistics, 20 rules of which the last one counts, scores
and the record of it all. Rules and merchant are in memory, as they are for two seconds at a time.
Every account has credentials, and so a breaker, of its own; without Redis, which is asked only about breakers
that were not looked at lately. Times are of the processor, so that a busy machine does not count.
"""

from __future__ import annotations

import hashlib
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from payflow.domain.declines import failure
from payflow.domain.merchant.state import Merchant, Mode
from payflow.domain.psp_capabilities import Capabilities, PspCosts
from payflow.domain.psp_outcome import Approved, Declined
from payflow.domain.routing.request import RoutingRequest
from payflow.domain.routing.rules import Condition, Rule, RuleAccount, RuleSet, Strategy
from payflow.domain.routing.state import Routing, RulesVersion
from payflow.psp.bulkhead import PspSlots
from payflow.psp.connector import Connector
from payflow.psp.performance import Performance
from payflow.psp.router import Router
from payflow.store.redis.rate_limiter import RateLimiter
from server.config import Settings
from server.psp_gate import build_gate
from tests.routing_inputs import psp_account
from tests.turned_clock import TurnedClock
from tests.wrapped_connector import WrappedConnector

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = RoutingRequest(
    "pi_01m83r7m7zef2b586ssnrcjsb1b3zkwz", 10_000, "USD", "DE", "card", {"tier": "silver"}
)
NEVER = (
    Condition(amount_max=20_000, currencies=("USD", "EUR")),
    Condition(metadata_key="tier", metadata_values=("gold", "platinum")),
)
RULES = 20
# Short and many, so that the best of them was not disturbed by whatever else the machine does.
ROUNDS = 150
PER_ROUND = 100
KILOBYTE = bytes(1_000)


class _Costly(WrappedConnector):
    """A connector that is only asked what it can do."""

    def __init__(self) -> None:
        self.name = "simulator"
        self.capabilities = Capabilities(
            key_window_s=86_400,
            looks_up=True,
            currencies=frozenset({"EUR", "USD"}),
            countries=frozenset({"DE", "FR"}),
            costs=PspCosts(290, {"USD": 30}),
        )

    def missing_settings(self, credential_ref: str) -> Sequence[str]:
        return ()


def main() -> None:
    """Prints one line per strategy and number of accounts."""
    hashing = _microseconds(lambda: hashlib.sha256(KILOBYTE).digest())
    print(f"{'decision':<10} {'accounts':>8} {'µs':>6} {'of hashing 1 kB':>16}")
    print(f"{'(hashing)':<10} {'':>8} {hashing:>6.2f} {1:>16.0f}")
    for strategy in Strategy:
        for accounts in (2, 5, 20):
            router, merchant = _set_up(strategy, accounts)
            took = _microseconds(lambda: router.route(merchant, REQUEST, float("inf")))  # noqa: B023
            print(f"{strategy.lower():<10} {accounts:>8} {took:>6.1f} {took / hashing:>16.0f}")


def _microseconds(work: Callable[[], object]) -> float:
    """Of one call, in the best of some rounds."""
    rounds = timeit.repeat(work, number=PER_ROUND, repeat=ROUNDS, timer=time.process_time)
    return min(rounds) / PER_ROUND * 1e6


def _set_up(strategy: Strategy, accounts: int) -> tuple[Router, Merchant]:
    names = [f"account{number}" for number in range(accounts)]
    listed = tuple(RuleAccount(name, 10 if strategy is Strategy.SPLIT else 0) for name in names)
    others = [Rule(f"rule{number}", Strategy.SCORE, NEVER) for number in range(RULES - 1)]
    rules = RuleSet((*others, Rule("last", strategy, (), listed)))
    routing = Routing("shop", RulesVersion("shop", 1, rules, NOW))
    connectors: dict[str, Connector] = {"simulator": _Costly()}
    clock = TurnedClock()
    performance = _performance(names, clock.now())
    gate, _ = build_gate(
        Settings.from_environment({}), connectors, None, RateLimiter(None), clock, probe_timeout_s=60
    )
    slots = PspSlots(total_max=8, per_psp_max=6)
    router = Router(connectors, lambda _, __: routing, performance, clock, gate.admits, slots.has_room)
    return router, _merchant(names)


def _performance(names: Sequence[str], now: datetime) -> Performance:
    performance = Performance()
    for number in range(50 * len(names)):
        outcome = Declined(failure("card_declined")) if number % 10 == 0 else Approved("psp_1")
        performance.learn(psp_account(names[number % len(names)]), outcome, 0.2 + number / 1_000, now)
    return performance


def _merchant(names: Sequence[str]) -> Merchant:
    accounts = {
        name: replace(psp_account(name, priority=number), cost_bps=140 + number, credential_ref=name)
        for number, name in enumerate(names)
    }
    return Merchant("shop", "", Mode.TEST, 1, 1, NOW, NOW, accounts)


if __name__ == "__main__":
    main()
