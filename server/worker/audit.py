"""Re-checks the ledger and the projections, a slice at a time, for as long as the worker runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import Counter, Gauge

from payflow.store.replay.audit_reader import Finding, Read, Subject
from server.worker.side_by_side import READ_TIMEOUT_S

log = logging.getLogger(__name__)

SLICE_ROWS = 1_000
# Events are folded in this process, which costs about so many times what looking at a row does.
FOLDED_COST = 4
REMEMBERED_MAX = 1_000

IMBALANCE = Gauge(
    "ledger_imbalance_minor_units",
    "Differences between amounts that have to agree, added up over the last look at everything; 0 is right.",
    ["subject"],
    multiprocess_mode="max",
)
FINDINGS = Gauge(
    "payflow_audit_findings",
    "Rows that are not what others say, as of the last look at everything; 0 is right.",
    ["subject"],
    multiprocess_mode="max",
)
ROWS = Counter("payflow_audit_rows_total", "Rows that were looked at.", ["subject"])
PASS_ENDED_AT_S = Gauge(
    "payflow_audit_pass_ended_seconds",
    "When everything had been looked at last, in seconds since 1970.",
    ["subject"],
    multiprocess_mode="max",
)


class _Pass:
    """One look at all of a subject: how far it is, and what it found."""

    def __init__(self) -> None:
        self.after: tuple[Any, ...] = ()
        self.findings = 0
        self.difference = 0


class Audit:
    """Looks at the next slice of each subject in turn; a row that is wrong is logged once a pass."""

    def __init__(
        self, reads: Mapping[Subject, Read], now_s: Callable[[], float], slice_rows: int = SLICE_ROWS
    ) -> None:
        """``now_s`` is the time in seconds since 1970."""
        self._reads = reads
        self._now_s = now_s
        self._slice_rows = slice_rows
        self._passes: Mapping[Subject, _Pass] = {subject: _Pass() for subject in Subject}

    def round(self) -> int:
        """Looks at a slice of each subject; 0 where every one had its end in this round."""
        return sum(self._look_at(subject) for subject in Subject)

    def _look_at(self, subject: Subject) -> int:
        now = self._passes[subject]
        rows = self._slice_rows // FOLDED_COST if subject is Subject.EVENTS else self._slice_rows
        found = self._reads[subject](now.after, rows, time.monotonic() + READ_TIMEOUT_S)
        ROWS.labels(subject).inc(found.rows)
        for finding in found.findings:
            if now.findings < REMEMBERED_MAX:
                tell(finding)
            now.findings += 1
            now.difference += finding.difference
        now.after = found.last
        if found.last:
            return 1
        FINDINGS.labels(subject).set(now.findings)
        IMBALANCE.labels(subject).set(now.difference)
        PASS_ENDED_AT_S.labels(subject).set(self._now_s())
        now.findings = now.difference = 0
        return 0


def tell(finding: Finding) -> None:
    """Logs it as an error."""
    log.error(
        "what is stored does not agree: %s %s",
        finding.subject,
        finding.what,
        extra={"merchant_id": finding.merchant_id, "key": finding.key, "difference": finding.difference},
    )
