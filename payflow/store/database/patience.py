"""How often and for how long a batch is tried again."""

from __future__ import annotations

import time
from dataclasses import dataclass

from payflow.store.database import failures
from payflow.store.database.failures import Verdict


@dataclass(slots=True)
class Patience:
    """Conflicts are counted; a database that is away is waited for, from when it was first missed."""

    conflicts_max: int
    away_max_s: float
    _conflicts: int = 0
    _away_since: float | None = None

    def after(self, verdict: Verdict, error: Exception) -> None:
        """Notes one more failed try.

        Raises the error itself, CONCURRENT_UPDATE or DATABASE_UNAVAILABLE when there must not be another.
        """
        match verdict:
            case Verdict.GIVE_UP:
                raise error
            case Verdict.FOLD_AGAIN:
                self._after_conflict(error)
            case Verdict.CONNECT_AGAIN:
                self._after_lost_connection(error)

    def _after_conflict(self, error: Exception) -> None:
        self._away_since = None
        self._conflicts += 1
        if self._conflicts >= self.conflicts_max:
            raise failures.concurrent_update() from error

    def _after_lost_connection(self, error: Exception) -> None:
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        if now - self._away_since >= self.away_max_s:
            raise failures.database_unavailable() from error
