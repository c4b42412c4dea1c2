"""Loads the dead letters that commands are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

from payflow.domain.dead_letter_commands import DeadLetterCommand
from payflow.domain.dead_letter_events import aggregate_id
from payflow.domain.folding.submission import Submission
from payflow.domain.folding.working_set import WorkingSet
from payflow.store.database.statement import DictConnection, columns
from payflow.store.dead_letter_rows import COLUMNS, view

LETTERS = f"""
    SELECT {COLUMNS}
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])
        AS wanted (merchant_id, consumer, aggregate_id, aggregate_version)
    JOIN dead_letters AS item USING (merchant_id, consumer, aggregate_id, aggregate_version)
"""

VERSIONS = """
    SELECT wanted.merchant_id, (
        SELECT aggregate_version FROM events
        WHERE merchant_id = wanted.merchant_id AND aggregate_id = wanted.aggregate_id
        ORDER BY aggregate_version DESC
        LIMIT 1
    ) AS version
    FROM unnest(%s::text[], %s::text[]) AS wanted (merchant_id, aggregate_id)
"""


class DeadLetterLoading:
    """The statements of the first round trip, sent when made, read when asked for."""

    def __init__(self, connection: DictConnection, submissions: Sequence[Submission]) -> None:
        commands = (submission.command for submission in submissions)
        keys = sorted({astuple(one.key) for one in commands if isinstance(one, DeadLetterCommand)})
        streams = sorted({(merchant_id, aggregate_id(merchant_id)) for merchant_id, *_ in keys})
        self._letters = connection.execute(LETTERS, columns(keys)) if keys else None
        self._versions = connection.execute(VERSIONS, columns(streams)) if keys else None

    def add_to(self, working: WorkingSet) -> None:
        """Adds what was found."""
        found = [view(row) for row in self._letters or ()]
        working.dead_letters = {one.dead_letter.key: one for one in found}
        working.dead_letter_versions = {
            row["merchant_id"]: row["version"] or 0 for row in self._versions or ()
        }
