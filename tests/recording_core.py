"""A core that keeps everything a database keeps, for the two to be compared."""

from __future__ import annotations

from datetime import timedelta

from payflow.domain.folding.submission import Result, Submission
from payflow.domain.folding.working_set import KeyRecord, MerchantScoped, RecordedEvent
from payflow.domain.texts import Texts
from tests.core import Core, comparable


class RecordingCore(Core):
    """``unsent`` are the submissions, with their results, that the database has not been given yet."""

    def __init__(self, name: str, key_ttl: timedelta) -> None:
        super().__init__(name)
        self.unsent: list[tuple[Submission, object]] = []
        self.events: list[RecordedEvent] = []
        self.texts: dict[MerchantScoped, Texts] = {}
        self.keys: dict[MerchantScoped, KeyRecord] = {}
        self.transaction_statuses: dict[MerchantScoped, str] = {}
        self._key_ttl = key_ttl

    def fold(self, submission: Submission) -> Result:
        """The result, with a note of all that was changed."""
        result = super().fold(submission)
        self.unsent.append((submission, comparable(result)))
        self.events += self.changes.events
        self.texts |= self.changes.texts
        for scoped, record in self.changes.keys.items():
            self.keys.pop(scoped, None)
            if record is not None:
                self.keys[scoped] = record
        for merchant_id, booked, _ in self.changes.transactions:
            self.transaction_statuses[merchant_id, booked.id] = booked.status
            if booked.resolves_transaction_id:
                self.transaction_statuses[merchant_id, booked.resolves_transaction_id] = "RESOLVED"
        return result

    def has_expired(self, submission: Submission) -> bool:
        """Whether its key is still in the table, but counts for nothing any more."""
        scoped = (submission.command.merchant_id, submission.claim.key if submission.claim else "")
        return scoped in self.keys and scoped not in self.working.keys

    def take_unsent(self) -> list[tuple[Submission, object]]:
        """What the database is to be given now."""
        taken, self.unsent = self.unsent, []
        return taken

    def turn_clock(self, pause: timedelta) -> None:
        """An expired key stays in its table, but is as good as gone for as long as the clock says so."""
        super().turn_clock(pause)
        self.working.keys = {
            scoped: record
            for scoped, record in self.keys.items()
            if record.completed_at is None or self.now < record.completed_at + self._key_ttl
        }
