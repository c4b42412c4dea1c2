"""The commit pipeline: everything that waits goes through one serializable transaction.

There is no linger: the commit in flight is the window in which the next batch gathers. Correctness
rests on SERIALIZABLE, unique keys and guarded writes, so that several processes may do this at once.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from payflow.domain.backoff import Backoff
from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding.fold import Fold
from payflow.domain.folding.submission import Refused, Result, Submission
from payflow.domain.folding.working_set import Changes
from payflow.store.commit.loading import load
from payflow.store.commit.metrics import BATCH_COMMANDS, BATCH_RETRIES, BATCHES
from payflow.store.commit.queue import CommitQueue, Pending, QueueLimits
from payflow.store.commit.writing import write
from payflow.store.database import failures
from payflow.store.database.failures import Verdict
from payflow.store.database.patience import Patience
from payflow.store.database.writer_connection import WriterConnection
from payflow.wire.resources import to_bytes

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CommitLimits(QueueLimits):
    """Bounds of the pipeline. A batch is a few MB at most: fields are bounded, and so is a bulk's message."""

    tries_max: int = 15
    backoff_s: float = 0.002
    backoff_max_s: float = 0.25
    reconnect_for_s: float = 5.0


OnCommit = Callable[[Changes], None]


class Committer:
    """Takes submissions from any thread and answers each through a future, after its commit."""

    def __init__(
        self,
        conninfo: str,
        *,
        lease: timedelta,
        key_ttl: timedelta,
        limits: CommitLimits | None = None,
        on_commit: OnCommit = lambda changes: None,
        jitter: random.Random | None = None,
        lane: int = 0,
    ) -> None:
        self._limits = limits or CommitLimits()
        self._lease = lease
        self._key_ttl = key_ttl
        self._on_commit = on_commit
        self._jitter = jitter or random.Random()
        self._backoff = Backoff(self._limits.backoff_s, self._limits.backoff_max_s)
        self._queue = CommitQueue(self._limits)
        self._writer = WriterConnection(conninfo, lane)
        self._thread = threading.Thread(target=self._run, name=f"committer-{lane}", daemon=True)

    def start(self) -> None:
        """Starts the writer thread."""
        self._thread.start()

    def submit(self, submission: Submission, deadline: float | None, *, always: bool = False) -> Pending:
        """Puts a command in line; see CommitQueue.put. ``deadline`` is in seconds of time.monotonic."""
        pending = Pending(submission, deadline)
        self._queue.put(pending, always=always)
        return pending

    def commit(self, submission: Submission, deadline: float | None, *, always: bool = False) -> Result:
        """Submits and waits. Raises DEADLINE_EXCEEDED when time is up before the writer took the command."""
        pending = self.submit(submission, deadline, always=always)
        wait_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            return pending.result.result(wait_s)
        except TimeoutError:
            if pending.result.cancel():
                raise failures.deadline_exceeded() from None
        # The writer has it: whoever sent it has to know what became of it, because a PSP call may be due.
        return pending.result.result()

    def close(self, timeout_s: float = 30.0) -> None:
        """Commits what is in line, then stops."""
        self._queue.close()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._writer.drop()

    def _run(self) -> None:
        while batch := self._queue.take():
            in_time = [pending for pending in batch if _is_in_time(pending)]
            if in_time:
                self._settle(in_time)

    def _settle(self, batch: Sequence[Pending], look_for_committed: bool = False) -> None:
        try:
            results = self._commit_batch([pending.submission for pending in batch], look_for_committed)
        except PayFlowError as error:
            if error.reason is Reason.CONCURRENT_UPDATE and len(batch) > 1:
                self._split(batch)
                return
            results = [Refused(error)] * len(batch)
        except Exception:
            log.exception("a batch of %d failed", len(batch))
            self._split(batch)
            return
        for pending, result in zip(batch, results, strict=True):
            pending.result.set_result(result)

    def _split(self, batch: Sequence[Pending]) -> None:
        """Halves a batch that failed for one command's sake, keeping the order of each aggregate."""
        if len(batch) == 1:
            batch[0].result.set_result(Refused(PayFlowError(Reason.INTERNAL, "internal error")))
            return
        middle = len(batch) // 2
        self._settle(batch[:middle], look_for_committed=True)
        self._settle(batch[middle:], look_for_committed=True)

    def _commit_batch(self, submissions: Sequence[Submission], look_for_committed: bool) -> list[Result]:
        patience = Patience(self._limits.tries_max, self._limits.reconnect_for_s)
        tries = 0
        while True:
            try:
                return self._fold_and_write(submissions, look_for_committed or tries > 0)
            except Exception as error:
                self._after_failure(error, patience)
            self._pause(tries)
            tries += 1

    def _after_failure(self, error: Exception, patience: Patience) -> None:
        verdict = failures.classify(error)
        BATCH_RETRIES.labels(getattr(error, "sqlstate", None) or type(error).__name__).inc()
        if verdict is Verdict.CONNECT_AGAIN:
            self._writer.drop()
        patience.after(verdict, error)

    def _fold_and_write(self, submissions: Sequence[Submission], look_for_committed: bool) -> list[Result]:
        with self._writer.serializable() as connection:
            working = load(connection, submissions, look_for_committed)
            loaded = dict(working.intents)
            fold = Fold(working, self._lease, to_bytes)
            results = fold.apply(submissions)
            write(connection, working, fold.changes, loaded, self._key_ttl)
        BATCHES.inc()
        BATCH_COMMANDS.observe(len(submissions))
        self._tell(fold.changes)
        return results

    def _tell(self, changes: Changes) -> None:
        try:
            self._on_commit(changes)
        except Exception:
            # It is committed, whatever becomes of those who listen.
            log.exception("a listener failed behind a commit")

    def _pause(self, attempt: int) -> None:
        time.sleep(self._backoff.pause_s(attempt, self._jitter))


def _is_in_time(pending: Pending) -> bool:
    """Deadlines are checked before folding, never after: behind it the command may have committed."""
    if not pending.result.set_running_or_notify_cancel():
        return False
    late = pending.deadline is not None and time.monotonic() >= pending.deadline
    if late:
        pending.result.set_result(Refused(failures.deadline_exceeded()))
    return not late
