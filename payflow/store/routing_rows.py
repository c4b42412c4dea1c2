"""Rows of routing_rules and routing_experiments, to and from domain state."""

from __future__ import annotations

from typing import Any

import msgspec

from payflow.domain.routing.experiment import Arm, Experiment, ExperimentStatus, Guardrail, StopReason
from payflow.domain.routing.rules import RuleSet
from payflow.domain.routing.state import RulesVersion
from payflow.store.rows import Row


def rules_version(row: Row) -> RulesVersion:
    """A row of routing_rules."""
    rules = msgspec.convert(row["rules"], RuleSet)
    return RulesVersion(row["merchant_id"], row["version"], rules, row["set_at"])


def experiment(row: Row) -> Experiment:
    """A row of routing_experiments."""
    values: dict[str, Any] = {name: row[name] for name in Experiment.__match_args__}
    values["arms"] = msgspec.convert(row["arms"], tuple[Arm, ...])
    values["guardrail"] = msgspec.convert(row["guardrail"], Guardrail)
    values["status"] = ExperimentStatus(row["status"])
    values["stop_reason"] = StopReason(row["stop_reason"]) if row["stop_reason"] else None
    return Experiment(**values)
