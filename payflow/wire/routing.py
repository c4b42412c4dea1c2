"""Routing rules, decisions and experiments as callers see them, and rules as callers write them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

from payflow.domain.errors import invalid_field
from payflow.domain.routing.candidate import PER_MILLION
from payflow.domain.routing.experiment import Arm, Experiment
from payflow.domain.routing.intervals import Interval
from payflow.domain.routing.results import ArmResult, Tally
from payflow.domain.routing.rules import Rule, RuleSet, Strategy, Weights
from payflow.domain.routing.state import RulesVersion
from payflow.v1 import routing_pb2 as pb
from payflow.wire.dataclass_codec import fill, parse
from payflow.wire.timestamps import timestamp


def rules_version(value: RulesVersion) -> pb.RoutingRulesVersion:
    """A version's message."""
    message = pb.RoutingRulesVersion(
        merchant_id=value.merchant_id, version=value.version, set_at=timestamp(value.set_at)
    )
    for rule in value.rules.rules:
        fill(message.rules.add(), rule)
    fill(message.weights, value.rules.weights)
    return message


def experiment(value: Experiment) -> pb.Experiment:
    """An experiment's message, without results."""
    message = pb.Experiment()
    fill(message, value)
    return message


def arm_result(result: ArmResult) -> pb.ExperimentArmResult:
    """The message of what an arm has come to."""
    return pb.ExperimentArmResult(
        arm=result.name,
        assigned=result.assigned,
        approved=result.decided.approved,
        declined=result.decided.declined,
        approval_rate=_interval(result.approval_rate),
        difference=None if result.difference is None else _interval(result.difference),
        costs=[_cost(tally) for tally in result.tallies],
    )


def _interval(found: Interval) -> pb.ExperimentInterval:
    estimate, lower, upper = (round(bound * PER_MILLION) for bound in found)
    return pb.ExperimentInterval(estimate_ppm=estimate, lower_ppm=lower, upper_ppm=upper)


def _cost(tally: Tally) -> pb.ExperimentCost:
    return pb.ExperimentCost(
        currency=tally.currency,
        payments=tally.approved,
        amount=tally.amount,
        cost=tally.cost,
        mean_cost=tally.mean_cost,
        cost_bps=tally.cost_bps,
    )


def rule_set(rules: Iterable[pb.RoutingRule], weights: pb.RoutingWeights, place: str = "") -> RuleSet:
    """The rules of a request, at ``place`` of it. Raises VALIDATION_FAILED for an unknown strategy."""
    parsed = (_rule(rule, f"{place}rules[{number}]") for number, rule in enumerate(rules))
    return RuleSet(tuple(parsed), _weights(weights))


def arms(messages: Iterable[pb.ExperimentArm]) -> tuple[Arm, ...]:
    """The arms of a request. Raises VALIDATION_FAILED for an unknown strategy."""
    return tuple(
        Arm(
            one.name,
            one.share_percent,
            rule_set(one.rules.rules, one.rules.weights, f"arms[{number}].rules.")
            if one.HasField("rules")
            else None,
        )
        for number, one in enumerate(messages)
    )


def _rule(message: pb.RoutingRule, place: str) -> Rule:
    if message.strategy not in pb.RoutingStrategy.values():
        raise invalid_field(f"{place}.strategy", f"must be one of {', '.join(Strategy)}")
    rule = parse(message, Rule)
    is_given = message.strategy != pb.ROUTING_STRATEGY_UNSPECIFIED
    return rule if is_given else replace(rule, strategy=Strategy.PRIORITY)


def _weights(message: pb.RoutingWeights) -> Weights:
    """What is not given is as usual."""
    given = [field.name for field in fields(Weights) if message.HasField(field.name)]  # type: ignore[arg-type]  # names of its fields
    return Weights(**{name: getattr(message, name) for name in given})
