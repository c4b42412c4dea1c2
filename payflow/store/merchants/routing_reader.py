"""Reads rules, experiments with their payments, and decisions."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from payflow.domain.ids import BUCKETS
from payflow.domain.intent.events import PaymentIntentRouted
from payflow.domain.routing.decision import RoutingDecision
from payflow.domain.routing.experiment import Experiment
from payflow.domain.routing.results import Tally
from payflow.domain.routing.state import RulesVersion
from payflow.store import routing_rows
from payflow.store.database.columns import columns_of
from payflow.store.database.read_pool import ReadPool
from payflow.wire.events import BY_DOMAIN, from_payload

RULES = f"""
    SELECT {columns_of(RulesVersion, "stored")} FROM routing_rules AS stored
    WHERE stored.merchant_id = %s AND stored.version = %s
"""

RULE_VERSIONS = f"""
    SELECT {columns_of(RulesVersion, "stored")} FROM routing_rules AS stored
    WHERE stored.merchant_id = %s AND stored.version < %s
    ORDER BY stored.version DESC
    LIMIT %s
"""

EXPERIMENT = f"""
    SELECT {columns_of(Experiment, "stored")} FROM routing_experiments AS stored
    WHERE stored.merchant_id = %s AND stored.id = %s
"""

EXPERIMENTS = f"""
    SELECT {columns_of(Experiment, "stored")} FROM routing_experiments AS stored
    WHERE stored.merchant_id = %s AND stored.id < %s
    ORDER BY stored.id DESC
    LIMIT %s
"""

RUNNING_EXPERIMENTS = f"""
    SELECT {columns_of(Experiment, "stored")} FROM routing_experiments AS stored
    WHERE stored.bucket BETWEEN %s AND %s AND stored.status = 'RUNNING' AND stored.merchant_id > %s
    ORDER BY stored.merchant_id
    LIMIT %s
"""

# A payment that was authorized once counts as approved, whatever became of it later. That the id is not empty
# is said for the partial index, which a plan for any id could not use otherwise.
TALLIES = """
    SELECT experiment_arm, currency, count(*) AS assigned, count(authorized_at) AS approved,
           count(*) FILTER (WHERE status = 'FAILED' AND authorized_at IS NULL) AS declined,
           coalesce(sum(amount) FILTER (WHERE authorized_at IS NOT NULL), 0)::bigint AS amount,
           coalesce(sum(routing_cost) FILTER (WHERE authorized_at IS NOT NULL), 0)::bigint AS cost
    FROM payment_intents
    WHERE merchant_id = %s AND experiment_id = %s AND experiment_id <> ''
    GROUP BY experiment_arm, currency
    ORDER BY experiment_arm, currency
"""

LAST_DECISION = """
    SELECT type, schema_version, payload, occurred_at FROM events
    WHERE merchant_id = %s AND aggregate_id = %s AND type = %s
    ORDER BY aggregate_version DESC
    LIMIT 1
"""

# Behind every id: ids are lower-case ASCII.
NEWEST = "\x7f"

_ROUTED = BY_DOMAIN[PaymentIntentRouted].name


class RoutingReader:
    """What callers see of routing. Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def rules(self, merchant_id: str, version: int, deadline: float) -> RulesVersion | None:
        """The rules of a version."""
        row = self._pool.one(RULES, (merchant_id, version), deadline)
        return routing_rows.rules_version(row) if row else None

    def rule_versions(self, merchant_id: str, before: int, limit: int, deadline: float) -> list[RulesVersion]:
        """Versions older than ``before``, newest first."""
        found = self._pool.all(RULE_VERSIONS, (merchant_id, before, limit), deadline)
        return [routing_rows.rules_version(row) for row in found]

    def experiment(self, merchant_id: str, experiment_id: str, deadline: float) -> Experiment | None:
        """One experiment."""
        row = self._pool.one(EXPERIMENT, (merchant_id, experiment_id), deadline)
        return routing_rows.experiment(row) if row else None

    def experiments(self, merchant_id: str, before: str, limit: int, deadline: float) -> list[Experiment]:
        """Experiments older than the one with id ``before`` (empty: from the newest), newest first."""
        found = self._pool.all(EXPERIMENTS, (merchant_id, before or NEWEST, limit), deadline)
        return [routing_rows.experiment(row) for row in found]

    def running_experiments(self, after: str, limit: int, deadline: float) -> list[Experiment]:
        """Experiments that run now, by merchant, behind the merchant with id ``after``."""
        found = self._pool.all(RUNNING_EXPERIMENTS, (0, BUCKETS - 1, after, limit), deadline)
        return [routing_rows.experiment(row) for row in found]

    def tallies(self, merchant_id: str, experiment_id: str, deadline: float) -> dict[str, list[Tally]]:
        """An experiment's payments so far, by arm and in order of currency."""
        tallies: dict[str, list[Tally]] = defaultdict(list)
        for row in self._pool.all(TALLIES, (merchant_id, experiment_id), deadline):
            arm = row.pop("experiment_arm")
            tallies[arm].append(Tally(**row))
        return tallies

    def decision(
        self, merchant_id: str, intent_id: str, deadline: float
    ) -> tuple[RoutingDecision, datetime] | None:
        """The last decision about a payment, and when it was made."""
        row = self._pool.one(LAST_DECISION, (merchant_id, intent_id, _ROUTED), deadline)
        event = from_payload(row["type"], row["schema_version"], row["payload"]) if row else None
        if row is None or not isinstance(event, PaymentIntentRouted):
            return None
        return event.decision, row["occurred_at"]
