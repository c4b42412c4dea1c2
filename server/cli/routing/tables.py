"""How the command line shows rules, decisions and experiments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from payflow.v1 import routing_pb2 as pb
from payflow.v1.payment_types_pb2 import OperationType
from server.cli.amounts import major_units
from server.cli.output import print_fields, print_table, time_text
from server.gateway.enum_names import enum_names

RULES = ("NAME", "WHEN", "STRATEGY", "ACCOUNTS", "OTHERS")
CANDIDATES = ("PLACE", "ACCOUNT", "CONNECTOR", "COST", "SUCCESS", "SAMPLES", "MS", "SCORE", "EXCLUDED")
ATTEMPTS = ("STARTED AT", "ATTEMPT", "OPERATION", "ACCOUNT", "STATE", "FAILURE")
EXPERIMENTS = ("STARTED AT", "EXPERIMENT", "STATUS", "STOPPED", "NAME")
RESULTS = ("ARM", "SHARE", "ASSIGNED", "APPROVED", "DECLINED", "RATE", "RANGE", "DIFFERENCE", "RANGE OF IT")
COSTS = ("ARM", "CURRENCY", "PAYMENTS", "AMOUNT", "COST", "MEAN", "BPS")
NUMBERS = frozenset(
    {*CANDIDATES[3:8], "PLACE", *RESULTS[1:6], "DIFFERENCE", "PAYMENTS", "AMOUNT", "MEAN", "BPS"}
)

_STRATEGIES = enum_names(pb.RoutingStrategy.DESCRIPTOR)
_EXCLUSIONS = enum_names(pb.RoutingExclusion.DESCRIPTOR)
_OPERATIONS = enum_names(OperationType.DESCRIPTOR)
_STATUSES = enum_names(pb.ExperimentStatus.DESCRIPTOR)
_REASONS = enum_names(pb.ExperimentStopReason.DESCRIPTOR)


def print_rules(version: pb.RoutingRulesVersion) -> None:
    """A row for each rule."""
    weights = version.weights
    print_fields(
        {
            "version": str(version.version),
            "set at": time_text(version.set_at),
            "weights": f"success {weights.success}, cost {weights.cost}, latency {weights.latency}",
            "exploration": f"at most {weights.exploration_percent} %",
        }
    )
    click.echo()
    print_table(RULES, map(_rule_row, version.rules))


def print_decision(decision: pb.RoutingDecision) -> None:
    """What decided, then a row for each account."""
    fields = {
        "rule": decision.rule or "none: accounts by priority",
        "rules version": str(decision.rules_version or ""),
        "strategy": _STRATEGIES.get(decision.strategy, ""),
        "passed over": ", ".join(decision.passed_over),
        "explored": "yes" if decision.explored else "",
        "experiment": f"{decision.experiment_id}, arm {decision.arm}" if decision.experiment_id else "",
    }
    print_fields({name: value for name, value in fields.items() if value})
    click.echo()
    places = {account: str(place) for place, account in enumerate(decision.order, 1)}
    ordered = sorted(decision.candidates, key=lambda one: int(places.get(one.psp_account_id, 99)))
    print_table(CANDIDATES, (_candidate_row(one, places) for one in ordered), NUMBERS)


def print_attempts(attempts: Iterable[pb.RoutedAttempt]) -> None:
    """A row for each call to a PSP."""
    print_table(ATTEMPTS, map(_attempt_row, attempts))


def print_experiments(experiments: Iterable[pb.Experiment]) -> None:
    """A row for each."""
    print_table(EXPERIMENTS, map(_experiment_row, experiments))


def print_experiment(experiment: pb.Experiment) -> None:
    """What it is, then what its arms have come to, where that is known."""
    guardrail = experiment.guardrail
    fields = {
        "id": experiment.id,
        "name": experiment.name,
        "status": _STATUSES.get(experiment.status, ""),
        "stopped": _REASONS.get(experiment.stop_reason, ""),
        "stopped for": experiment.stopped_for,
        "guardrail": f"{guardrail.margin_bps / 100:.2f} points, from {guardrail.samples_min} payments",
        "started at": time_text(experiment.started_at),
        "stopped at": time_text(experiment.stopped_at) if experiment.HasField("stopped_at") else "",
    }
    print_fields({name: value for name, value in fields.items() if value})
    click.echo()
    results = {one.arm: one for one in experiment.results}
    rows = (_result_row(arm, results.get(arm.name)) for arm in experiment.arms)
    print_table(RESULTS, rows, NUMBERS)
    costs = [_cost_row(one.arm, cost) for one in experiment.results for cost in one.costs]
    if costs:
        click.echo()
        print_table(COSTS, costs, NUMBERS)


def _rule_row(rule: pb.RoutingRule) -> tuple[str, ...]:
    accounts = [
        f"{one.psp_account_id} {one.weight}" if one.weight else one.psp_account_id for one in rule.accounts
    ]
    return (
        rule.name,
        "; ".join(text for one in rule.conditions for text in _condition(one)) or "always",
        _STRATEGIES.get(rule.strategy, ""),
        ", ".join(accounts) or "all",
        "no" if rule.only_listed else "as fallbacks",
    )


def _condition(condition: pb.RoutingCondition) -> Iterator[str]:
    """Amounts are in minor units, because a condition may be about several currencies."""
    if condition.HasField("amount_min"):
        yield f"amount >= {condition.amount_min}"
    if condition.HasField("amount_max"):
        yield f"amount <= {condition.amount_max}"
    yield from _one_of("currency", condition.currencies)
    yield from _one_of("country", condition.countries)
    yield from _one_of("method", condition.payment_method_types)
    if condition.metadata_key and not condition.metadata_values:
        yield f"has {condition.metadata_key}"
    yield from _one_of(condition.metadata_key, condition.metadata_values)


def _one_of(name: str, values: Iterable[str]) -> Iterator[str]:
    listed = list(values)
    if listed:
        yield f"{name} {'|'.join(listed)}"


def _candidate_row(one: pb.RoutingCandidate, places: dict[str, str]) -> tuple[str, ...]:
    known = one.samples > 0
    return (
        places.get(one.psp_account_id, "-"),
        one.psp_account_id,
        one.connector,
        str(one.cost),
        _percent(one.success_ppm) if known else "-",
        str(one.samples),
        str(one.latency_ms) if known else "-",
        f"{one.score / 1e6:.6f}" if one.score else "-",
        _EXCLUSIONS.get(one.exclusion, ""),
    )


def _attempt_row(one: pb.RoutedAttempt) -> tuple[str, ...]:
    return (
        time_text(one.started_at),
        one.id,
        _OPERATIONS.get(one.operation, ""),
        one.psp_account_id,
        one.state,
        one.failure.code,
    )


def _experiment_row(one: pb.Experiment) -> tuple[str, ...]:
    status, reason = _STATUSES.get(one.status, ""), _REASONS.get(one.stop_reason, "")
    return (time_text(one.started_at), one.id, status, reason, one.name)


def _result_row(arm: pb.ExperimentArm, result: pb.ExperimentArmResult | None) -> tuple[str, ...]:
    share = f"{arm.share_percent} %"
    if result is None:
        return (arm.name, share, *[""] * 7)
    rate, difference = result.approval_rate, result.difference
    decided = result.approved + result.declined > 0
    compared = decided and result.HasField("difference")
    return (
        arm.name,
        share,
        *(str(count) for count in (result.assigned, result.approved, result.declined)),
        _percent(rate.estimate_ppm) if decided else "-",
        _range(rate) if decided else "-",
        f"{difference.estimate_ppm / 1e4:+.2f}" if compared else "-",
        f"{difference.lower_ppm / 1e4:+.2f} to {difference.upper_ppm / 1e4:+.2f}" if compared else "-",
    )


def _cost_row(arm: str, cost: pb.ExperimentCost) -> tuple[str, ...]:
    sums = (major_units(sum_, cost.currency) for sum_ in (cost.amount, cost.cost, cost.mean_cost))
    return (arm, cost.currency, str(cost.payments), *sums, str(cost.cost_bps))


def _percent(ppm: int) -> str:
    return f"{ppm / 1e4:.2f} %"


def _range(interval: pb.ExperimentInterval) -> str:
    return f"{_percent(interval.lower_ppm)} to {_percent(interval.upper_ppm)}"
