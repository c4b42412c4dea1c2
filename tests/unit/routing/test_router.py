from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from payflow.domain.endpoint import Endpoint
from payflow.domain.merchant.state import Merchant, Mode, PspAccount
from payflow.domain.psp_capabilities import Capabilities, PspCosts
from payflow.domain.psp_outcome import Approved, OperationType, Unknown
from payflow.domain.routing.candidate import Exclusion
from payflow.domain.routing.decision import RoutingDecision
from payflow.domain.routing.request import RoutingRequest
from payflow.domain.routing.rules import RuleSet, Strategy
from payflow.domain.routing.state import Routing, RulesVersion
from payflow.psp.connector import Connector
from payflow.psp.performance import Performance
from payflow.psp.router import Router
from tests.core import START
from tests.routing_inputs import psp_account, rule
from tests.turned_clock import TurnedClock
from tests.wrapped_connector import WrappedConnector

FOREVER = float("inf")
REQUEST = RoutingRequest("pi_1", 10_000, "EUR", "DE")


class Declaring(WrappedConnector):
    """A connector that is only asked what it can do, and what it needs."""

    def __init__(self, missing: Sequence[str] = (), **capabilities: Any) -> None:
        self.name = "simulator"
        self.capabilities = Capabilities(
            key_window_s=60, looks_up=True, costs=PspCosts(290, {"EUR": 25}, 30), **capabilities
        )
        self._missing = missing

    def missing_settings(self, credential_ref: str) -> Sequence[str]:
        return self._missing


def shop(*accounts: PspAccount) -> Merchant:
    return Merchant("shop", "", Mode.TEST, 1, 1, START, START, {one.id: one for one in accounts})


def routed(
    merchant: Merchant,
    connector: Connector | None = None,
    request: RoutingRequest = REQUEST,
    shut: Endpoint | None = None,
    full: Endpoint | None = None,
    performance: Performance | None = None,
    routing: Routing | None = None,
) -> RoutingDecision:
    def admits(endpoint: Endpoint, operation: OperationType) -> bool:
        assert operation is OperationType.AUTHORIZE
        return endpoint != shut

    router = Router(
        {"simulator": connector or Declaring()},
        lambda merchant_id, deadline: routing or Routing(merchant_id),
        performance or Performance(),
        TurnedClock(),
        admits,
        lambda endpoint: endpoint != full,
    )
    return router.route(merchant, request, FOREVER)


@pytest.mark.parametrize(
    ("connector", "change", "why"),
    [
        (Declaring(), {}, None),
        (Declaring(currencies=frozenset({"EUR"}), countries=frozenset({"DE"})), {}, None),
        (Declaring(), {"enabled": False}, Exclusion.DISABLED),
        (Declaring(), {"connector": "gone"}, Exclusion.NOT_CONNECTED),
        (Declaring(["STRIPE_API_KEY"]), {}, Exclusion.NOT_CONNECTED),
        (Declaring(currencies=frozenset({"USD"})), {}, Exclusion.CURRENCY),
        (Declaring(countries=frozenset({"FR"})), {}, Exclusion.COUNTRY),
        (Declaring(payment_methods=frozenset({"apple_pay"})), {}, Exclusion.PAYMENT_METHOD),
        (Declaring(), {"credential_ref": "SHUT"}, Exclusion.UNAVAILABLE),
        (Declaring(), {"credential_ref": "FULL"}, Exclusion.BUSY),
    ],
)
def test_an_account_that_cannot_take_the_payment_is_left_out_with_the_reason(
    connector: Declaring, change: dict[str, Any], why: Exclusion | None
) -> None:
    account = replace(psp_account("first"), **change)
    shut, full = Endpoint("simulator", "SHUT"), Endpoint("simulator", "FULL")
    decision = routed(shop(account), connector, shut=shut, full=full)
    assert [one.exclusion for one in decision.candidates] == [why]
    assert decision.order == (() if why else ("first",))


def test_a_payer_whose_country_is_not_known_is_not_refused_for_it() -> None:
    connector = Declaring(countries=frozenset({"FR"}))
    assert routed(shop(psp_account("first")), connector, replace(REQUEST, country="")).order == ("first",)


def test_costs_are_the_connectors_unless_they_were_negotiated() -> None:
    stated, bps, fixed = psp_account("a"), psp_account("b"), psp_account("c")
    decision = routed(shop(stated, replace(bps, cost_bps=100), replace(fixed, cost_bps=100, cost_fixed=0)))
    assert {one.psp_account_id: one.cost for one in decision.candidates} == {"a": 315, "b": 125, "c": 100}


def test_the_merchants_rules_and_what_is_known_of_its_accounts_decide() -> None:
    first, second = psp_account("first"), psp_account("second", priority=1)
    performance = Performance()
    for number in range(40):
        account, outcome = (first, Unknown("timed out")) if number % 2 else (second, Approved("psp_1"))
        performance.learn(account, outcome, 0.2, TurnedClock().now())
    rules = RuleSet((rule(Strategy.SCORE),))
    routing = Routing("shop", RulesVersion("shop", 3, rules, START))
    decision = routed(shop(first, second), performance=performance, routing=routing)
    assert (decision.rule, decision.rules_version) == ("mine", 3)
    assert [(one.samples > 10, one.success_ppm) for one in decision.candidates] == [
        (True, 0),
        (True, 1_000_000),
    ]
    assert (decision.order, decision.explored) == (("second", "first"), False)


def test_a_changed_account_counts_at_once() -> None:
    account = psp_account("first")
    router = Router(
        {"simulator": Declaring()},
        lambda merchant_id, deadline: Routing(merchant_id),
        Performance(),
        TurnedClock(),
        lambda endpoint, operation: True,
        lambda endpoint: True,
    )
    assert router.route(shop(account), REQUEST, FOREVER).order == ("first",)
    assert router.route(shop(replace(account, enabled=False)), REQUEST, FOREVER).order == ()
