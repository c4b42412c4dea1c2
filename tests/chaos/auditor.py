"""An independent auditor: compares what moved at PSPs with intents, ledger, events and answers.

It shares no code with PayFlow and takes nobody's word: the PSPs' lists of effects are what happened. It is
the same for a simulation in one process and for real processes, whose rows are read from their database.
"""

from __future__ import annotations

from tests.chaos import (
    at_psps,
    checks_of_effects,
    checks_of_money,
    checks_of_promises,
    checks_of_rows,
)
from tests.chaos.evidence import Evidence, Finding
from tests.chaos.history import stories


def audit(evidence: Evidence) -> list[Finding]:
    """Everything that is wrong with a run; none of it may be."""
    told, wallets = stories(evidence.events), at_psps.after(evidence.effects)
    return [
        *checks_of_rows.check(evidence, told),
        *checks_of_effects.check(evidence, told, wallets),
        *checks_of_money.check(evidence, told, wallets),
        *checks_of_promises.check(evidence, told),
    ]
