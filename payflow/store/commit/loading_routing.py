"""Loads the routing of the merchants that routing commands are about."""

from __future__ import annotations

from collections.abc import Sequence

from payflow.domain.folding.submission import Submission
from payflow.domain.folding.working_set import WorkingSet
from payflow.domain.routing.commands import RoutingCommand
from payflow.domain.routing.experiment import Experiment
from payflow.domain.routing.state import Routing, RulesVersion
from payflow.store import routing_rows
from payflow.store.database.columns import columns_of
from payflow.store.database.statement import DictConnection

RULES = f"""
    SELECT found.*
    FROM unnest(%s::text[]) AS wanted (merchant_id)
    CROSS JOIN LATERAL (
        SELECT {columns_of(RulesVersion, "stored")} FROM routing_rules AS stored
        WHERE stored.merchant_id = wanted.merchant_id ORDER BY stored.version DESC LIMIT 1
    ) AS found
"""

# The one that changed last: none of the others can be running.
EXPERIMENTS = f"""
    SELECT found.*
    FROM unnest(%s::text[]) AS wanted (merchant_id)
    CROSS JOIN LATERAL (
        SELECT {columns_of(Experiment, "stored")} FROM routing_experiments AS stored
        WHERE stored.merchant_id = wanted.merchant_id ORDER BY stored.version DESC LIMIT 1
    ) AS found
"""


class RoutingLoading:
    """The statements of the first round trip, sent when made, read when asked for."""

    def __init__(self, connection: DictConnection, submissions: Sequence[Submission]) -> None:
        commands = (submission.command for submission in submissions)
        self._merchant_ids = sorted({one.merchant_id for one in commands if isinstance(one, RoutingCommand)})
        execute, wanted = connection.execute, [self._merchant_ids]
        self._rules = execute(RULES, wanted) if self._merchant_ids else None
        self._experiments = execute(EXPERIMENTS, wanted) if self._merchant_ids else None

    def add_to(self, working: WorkingSet) -> None:
        """Adds what was found."""
        rules = {row["merchant_id"]: routing_rows.rules_version(row) for row in self._rules or ()}
        experiments = {row["merchant_id"]: routing_rows.experiment(row) for row in self._experiments or ()}
        for merchant_id in self._merchant_ids:
            routing = Routing(merchant_id, rules.get(merchant_id), experiments.get(merchant_id))
            working.routings[merchant_id] = routing
