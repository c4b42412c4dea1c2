"""Rules, decisions and experiments over gRPC and HTTP, and what they mean for payments."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from payflow.v1 import merchant_pb2
from payflow.v1 import routing_pb2 as pb
from tests.http_payments import HttpCaller
from tests.payments import ApiError, Caller

BY_COST = {
    "rules": [
        {
            "name": "large",
            "conditions": [{"amount_min": 50_000, "currencies": ["USD"]}],
            "strategy": "ROUTING_STRATEGY_PRIORITY",
            "accounts": [{"psp_account_id": "simulator"}],
            "only_listed": True,
        },
        {
            "name": "cheapest",
            "strategy": "ROUTING_STRATEGY_SCORE",
            "accounts": [{"psp_account_id": "dear"}, {"psp_account_id": "cheap"}],
        },
    ],
    "weights": {"success": 0, "cost": 1, "latency": 0, "exploration_percent": 0},
}


def open_shop(caller: Caller) -> None:
    """A merchant with a dear account of low priority number and a cheap one."""
    create = merchant_pb2.CreateMerchantRequest(merchant_id=caller.merchant_id)
    caller.reply(caller.merchants.CreateMerchant, create)
    for name, bps in (("dear", 290), ("cheap", 140)):
        account = merchant_pb2.CreatePspAccountRequest(
            merchant_id=caller.merchant_id, id=name, connector="simulator", cost_bps=bps, cost_fixed=10
        )
        account.priority = 1 if name == "dear" else 2
        caller.reply(caller.merchants.CreatePspAccount, account)


@pytest.fixture
def shop(caller: Caller) -> Caller:
    open_shop(caller)
    return caller


def set_rules(caller: Caller, content: dict[str, Any], key: str | None = None) -> Any:
    request = ParseDict(content | {"merchant_id": caller.merchant_id}, pb.SetRoutingRulesRequest())
    return caller.reply(caller.routing.SetRoutingRules, request, key)


def explained(caller: Caller, intent_id: str, what_if: dict[str, Any] | None = None) -> Any:
    request = pb.ExplainRoutingRequest(payment_intent_id=intent_id)
    if what_if is not None:
        ParseDict(what_if, request.what_if)
    return caller.routing.ExplainRouting(request)


def with_version(decision: Any, version: int) -> Any:
    """The decision as if it were by rules that were never set."""
    other = pb.RoutingDecision()
    other.CopyFrom(decision)
    other.rules_version = version
    return other


def authorized(caller: Caller, **more: Any) -> Any:
    return caller.authorize(caller.create(**more).id)


def test_without_rules_payments_go_by_priority_and_the_decision_is_recorded(shop: Caller) -> None:
    intent = authorized(shop)
    assert intent.psp_account_id == "dear"
    found = explained(shop, intent.id)
    decision = found.decision
    assert list(decision.order) == ["dear", "cheap", "simulator"]
    assert (decision.rule, decision.rules_version, decision.experiment_id) == ("", 0, "")
    assert [(one.psp_account_id, one.cost) for one in decision.candidates[:2]] == [
        ("dear", 300),
        ("cheap", 150),
    ]
    assert [(one.psp_account_id, one.state) for one in found.attempts] == [("dear", "succeeded")]
    assert found.decided_at == found.attempts[0].started_at
    assert not found.HasField("what_if")


def test_rules_decide_at_once_and_are_kept_as_versions(shop: Caller) -> None:
    first = set_rules(shop, BY_COST).message
    assert authorized(shop).psp_account_id == "cheap"
    large = authorized(shop, amount=50_000)
    assert large.psp_account_id == "simulator"
    decision = explained(shop, large.id).decision
    assert (decision.rule, decision.rules_version, list(decision.order)) == ("large", 1, ["simulator"])
    assert explained(shop, large.id, BY_COST).what_if == with_version(decision, 0)

    second = set_rules(shop, {}).message
    assert authorized(shop).psp_account_id == "dear"
    assert (first.version, second.version, len(second.rules)) == (1, 2, 0)
    current = shop.routing.GetRoutingRules(pb.GetRoutingRulesRequest(merchant_id=shop.merchant_id))
    earlier = pb.GetRoutingRulesRequest(merchant_id=shop.merchant_id, version=1)
    assert (current, shop.routing.GetRoutingRules(earlier)) == (second, first)
    pages: list[int] = []
    request = pb.ListRoutingRuleVersionsRequest(merchant_id=shop.merchant_id, page_size=1)
    while not pages or request.page_token:
        page = shop.routing.ListRoutingRuleVersions(request)
        pages += [one.version for one in page.versions]
        request.page_token = page.next_page_token
    assert pages == [2, 1]


def test_setting_rules_again_with_the_key_makes_no_second_version(shop: Caller) -> None:
    first, second = set_rules(shop, BY_COST, "key-1"), set_rules(shop, BY_COST, "key-1")
    assert (first.replayed, second.replayed) == (False, True)
    assert first.message == second.message
    with pytest.raises(ApiError) as refused:
        set_rules(shop, {}, "key-1")
    assert refused.value.reason == "IDEMPOTENCY_KEY_REUSED"


def test_metadata_decides_too(shop: Caller) -> None:
    gold = {"metadata_key": "tier", "metadata_values": ["gold"]}
    rule = {"name": "gold", "conditions": [gold], "accounts": [{"psp_account_id": "cheap"}]}
    set_rules(shop, {"rules": [rule]})
    assert authorized(shop, metadata={"tier": "gold"}).psp_account_id == "cheap"
    assert authorized(shop, metadata={"tier": "silver"}).psp_account_id == "dear"


def test_what_other_rules_would_have_done(shop: Caller) -> None:
    intent = authorized(shop)
    found = explained(shop, intent.id, BY_COST)
    assert (found.decision.order[0], found.what_if.order[0]) == ("dear", "cheap")
    assert found.what_if.rule == "cheapest"
    assert found.what_if.seed == found.decision.seed
    with pytest.raises(ApiError) as refused:
        shop.reply(
            shop.routing.ExplainRouting,
            pb.ExplainRoutingRequest(
                payment_intent_id=intent.id, what_if=pb.RoutingRules(rules=[pb.RoutingRule(name="x")])
            ),
        )
    assert refused.value.fields == ["what_if.rules[0].accounts"]


def test_rules_that_name_an_account_from_after_the_payment_are_asked_without_it(shop: Caller) -> None:
    intent = authorized(shop)
    late = merchant_pb2.CreatePspAccountRequest(
        merchant_id=shop.merchant_id, id="late", connector="simulator"
    )
    shop.reply(shop.merchants.CreatePspAccount, late)
    rule = {"name": "late", "accounts": [{"psp_account_id": "late"}, {"psp_account_id": "cheap"}]}
    assert list(explained(shop, intent.id, {"rules": [rule]}).what_if.order) == ["cheap", "dear", "simulator"]


def test_no_account_for_a_payment_is_told_with_the_reasons(shop: Caller) -> None:
    for account in ("dear", "cheap", "simulator"):
        update = merchant_pb2.UpdatePspAccountRequest(merchant_id=shop.merchant_id, id=account, enabled=False)
        shop.reply(shop.merchants.UpdatePspAccount, update)
    with pytest.raises(ApiError) as refused:
        authorized(shop)
    assert refused.value.reason == "NO_PSP_AVAILABLE"
    assert refused.value.message.endswith("dear (disabled), cheap (disabled), simulator (disabled)")


def test_bad_rules_are_refused_with_every_place(shop: Caller) -> None:
    bad: dict[str, Any] = {
        "rules": [
            {"name": "a", "strategy": "ROUTING_STRATEGY_SCORE"},
            {"name": "a", "strategy": 3, "accounts": [{"psp_account_id": "nowhere"}]},
            {"name": "b", "strategy": 3, "conditions": [{"amount_min": 5, "amount_max": 1}]},
        ]
    }
    with pytest.raises(ApiError) as refused:
        set_rules(shop, bad)
    places = [
        "rules[0].name",
        "rules[1].name",
        "rules[1].accounts[0].psp_account_id",
        "rules[2].conditions[0].amount_max",
        "rules[2].conditions[0].currencies",
    ]
    assert (refused.value.reason, refused.value.fields) == ("VALIDATION_FAILED", places)
    request = ParseDict(bad | {"merchant_id": shop.merchant_id}, pb.ValidateRoutingRulesRequest())
    assert [one.field for one in shop.routing.ValidateRoutingRules(request).faults] == places
    good = ParseDict(BY_COST | {"merchant_id": shop.merchant_id}, pb.ValidateRoutingRulesRequest())
    assert not shop.routing.ValidateRoutingRules(good).faults
    with pytest.raises(ApiError) as missing:
        shop.reply(
            shop.routing.GetRoutingRules, pb.GetRoutingRulesRequest(merchant_id=shop.merchant_id, version=1)
        )
    assert missing.value.reason == "NOT_FOUND"


def test_the_same_over_http(shop: Caller, http: HttpCaller) -> None:
    base = f"/v1/merchants/{shop.merchant_id}"
    rules = {"rules": [{"name": "all", "strategy": "score", "accounts": [{"psp_account_id": "cheap"}]}]}
    assert http.post(f"{base}/routing_rules:validate", rules, "").json == {"faults": []}
    put = http.put(f"{base}/routing_rules", rules)
    assert (put.status, put.json["version"], put.json["weights"]["cost"]) == (200, 1, 500)
    assert http.get(f"{base}/routing_rules").json == put.json
    assert http.get(f"{base}/routing_rules/versions").json["versions"] == [put.json]
    worse = http.put(f"{base}/routing_rules", {"rules": [{"name": "x", "accounts": [{}]}]})
    assert worse.error == (400, "INVALID_ARGUMENT", "VALIDATION_FAILED")
    assert worse.fields == ["rules[0].accounts[0].psp_account_id"]
    intent = authorized(shop)
    told = http.get(f"/v1/payment_intents/{intent.id}/routing").json
    assert told["decision"]["order"] == ["cheap", "dear", "simulator"]
    assert told["decision"]["strategy"] == "score"
    again = http.post(f"/v1/payment_intents/{intent.id}/routing:explain", {"what_if": {}}, "").json
    assert again["what_if"]["order"] == ["dear", "cheap", "simulator"]


def start_experiment(caller: Caller, **more: Any) -> Any:
    arms = [{"name": "control", "share_percent": 50}, {"name": "cost", "share_percent": 50, "rules": BY_COST}]
    request = ParseDict(
        {"merchant_id": caller.merchant_id, "name": "Cheaper?", "arms": arms} | more,
        pb.CreateExperimentRequest(),
    )
    return caller.reply(caller.routing.CreateExperiment, request).message


def stop_experiment(caller: Caller, experiment_id: str) -> Any:
    request = pb.StopExperimentRequest(merchant_id=caller.merchant_id, id=experiment_id)
    return caller.reply(caller.routing.StopExperiment, request).message


def get_experiment(caller: Caller, experiment_id: str) -> Any:
    request = pb.GetExperimentRequest(merchant_id=caller.merchant_id, id=experiment_id)
    return caller.routing.GetExperiment(request)


def test_an_experiment_sends_each_arm_by_its_rules_and_counts(shop: Caller) -> None:
    experiment = start_experiment(shop)
    assert experiment.status == pb.EXPERIMENT_STATUS_RUNNING
    assert (experiment.guardrail.margin_bps, experiment.guardrail.samples_min) == (100, 200)
    accounts: dict[str, set[str]] = {"control": set(), "cost": set()}
    for number in range(24):
        intent = authorized(shop, payment_method="pm_card_declined" if number % 4 == 0 else "")
        decision = explained(shop, intent.id).decision
        assert decision.experiment_id == experiment.id
        accounts[decision.arm].add(intent.psp_account_id)
    assert accounts == {"control": {"dear"}, "cost": {"cheap"}}
    control, cost = get_experiment(shop, experiment.id).results
    assert control.assigned + cost.assigned == 24
    assert control.declined + cost.declined == 6
    for result, each in ((control, 300), (cost, 150)):
        assert result.assigned == result.approved + result.declined
        rate = result.approval_rate
        assert rate.lower_ppm <= rate.estimate_ppm <= rate.upper_ppm
        [money] = result.costs
        assert (money.currency, money.payments) == ("USD", result.approved)
        assert (money.mean_cost, money.cost, money.cost_bps) == (each, each * result.approved, each)
    assert cost.HasField("difference") and not control.HasField("difference")

    stopped = stop_experiment(shop, experiment.id)
    assert (stopped.status, stopped.stop_reason) == (
        pb.EXPERIMENT_STATUS_STOPPED,
        pb.EXPERIMENT_STOP_REASON_REQUESTED,
    )
    assert explained(shop, authorized(shop).id).decision.experiment_id == ""
    again = start_experiment(shop)
    request = pb.ListExperimentsRequest(merchant_id=shop.merchant_id, page_size=1)
    page = shop.routing.ListExperiments(request)
    assert [one.id for one in page.experiments] == [again.id]
    request.page_token = page.next_page_token
    assert [one.id for one in shop.routing.ListExperiments(request).experiments] == [experiment.id]


def test_one_experiment_runs_at_a_time_and_only_that_is_stopped(shop: Caller) -> None:
    experiment = start_experiment(shop)
    with pytest.raises(ApiError) as second:
        start_experiment(shop)
    assert second.value.reason == "INVALID_STATE_TRANSITION"
    stop_experiment(shop, experiment.id)
    with pytest.raises(ApiError) as twice:
        stop_experiment(shop, experiment.id)
    assert twice.value.reason == "INVALID_STATE_TRANSITION"
    for unknown in ("exp_1", "\x00", f"exp_{'0' * 32}"):
        with pytest.raises(ApiError) as missing:
            stop_experiment(shop, unknown)
        assert missing.value.reason == "NOT_FOUND"
    with pytest.raises(ApiError) as bad:
        start_experiment(shop, arms=[{"name": "alone", "share_percent": 99}])
    assert bad.value.fields == ["arms", "arms"]


def test_experiments_over_http(shop: Caller, http: HttpCaller) -> None:
    path = f"/v1/merchants/{shop.merchant_id}/experiments"
    body = {"arms": [{"name": "a", "share_percent": 90}, {"name": "b", "share_percent": 10, "rules": {}}]}
    started = http.post(path, body)
    assert (started.status, started.json["status"]) == (201, "running")
    found = http.get(f"{path}/{started.json['id']}").json
    assert [one["arm"] for one in found["results"]] == ["a", "b"]
    assert http.get(path).json["experiments"][0]["id"] == started.json["id"]
    stopped = http.post(f"{path}/{started.json['id']}/stop", {})
    assert (stopped.status, stopped.json["stop_reason"]) == (200, "requested")


def test_payments_that_were_never_routed_have_no_explanation(shop: Caller) -> None:
    intent = shop.create()
    for identifier in (intent.id, "pi_1"):
        with pytest.raises(ApiError) as missing:
            shop.reply(shop.routing.ExplainRouting, pb.ExplainRoutingRequest(payment_intent_id=identifier))
        assert missing.value.reason == "NOT_FOUND"


def test_a_stranger_learns_nothing(shop: Caller) -> None:
    intent = authorized(shop)
    with pytest.raises(ApiError) as missing:
        shop.reply(
            shop.routing.ExplainRouting,
            pb.ExplainRoutingRequest(payment_intent_id=intent.id, merchant_id="stranger"),
        )
    assert missing.value.reason == "NOT_FOUND"
    with pytest.raises(ApiError) as nobody:
        shop.reply(shop.routing.SetRoutingRules, pb.SetRoutingRulesRequest(merchant_id="nobody"))
    assert nobody.value.reason == "NOT_FOUND"


def test_negotiated_costs_are_kept_and_changed(shop: Caller, http: HttpCaller) -> None:
    path = f"/v1/merchants/{shop.merchant_id}/psp_accounts"
    account = http.get(f"{path}/cheap").json
    assert (account["cost_bps"], account["cost_fixed"]) == (140, 10)
    changed = http.patch(f"{path}/cheap", {"cost_bps": 0}).json
    assert (changed["cost_bps"], changed["cost_fixed"]) == (0, 10)
    assert "cost_bps" not in http.get(f"{path}/simulator").json
    assert http.patch(f"{path}/cheap", {"cost_bps": 10_001}).fields == ["cost_bps"]
    assert http.patch(f"{path}/cheap", {"cost_fixed": -1}).fields == ["cost_fixed"]
