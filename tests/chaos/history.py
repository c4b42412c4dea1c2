"""Payment intents as their events tell them: an account of its own, which shares nothing with PayFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.chaos.evidence import Finding, Row, Wrong

# Written down from the public contract.
MOVES = {
    ("CREATED", "PROCESSING"),
    ("REQUIRES_ACTION", "PROCESSING"),
    ("AUTHORIZED", "PROCESSING"),
    ("PROCESSING", "REQUIRES_ACTION"),
    ("PROCESSING", "AUTHORIZED"),
    ("PROCESSING", "CAPTURED"),
    ("PROCESSING", "CANCELED"),
    ("PROCESSING", "FAILED"),
    ("PROCESSING", "CREATED"),
    ("CREATED", "CANCELED"),
    ("CAPTURED", "REFUNDED"),
    ("CAPTURED", "FAILED"),
    ("REFUNDED", "CAPTURED"),
}
OPEN = ("RUNNING", "UNKNOWN", "ACCEPTED", "PARKED")
GIVEN_UP = ("DECLINED", "NOT_EXECUTED")
STRAYED = ("STRAY", "UNDONE")


@dataclass(frozen=True, slots=True)
class Stage:
    """A state that an attempt came to; whoever holds it does so until ``due_at``."""

    at: datetime
    state: str
    due_at: datetime | None = None


@dataclass(slots=True)
class Attempt:
    """One PSP call, as it was written down, and what became of it."""

    details: Row
    stages: list[Stage]
    fence: int = 1

    @property
    def state(self) -> str:
        return self.stages[-1].state

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def psp(self) -> str:
        return str(self.details["psp_account_id"])

    @property
    def started_at(self) -> datetime:
        return self.stages[0].at

    def stage_at(self, instant: datetime) -> Stage | None:
        """Where it stood then; None before it was written down."""
        return next((stage for stage in reversed(self.stages) if stage.at <= instant), None)

    def held_at(self, instant: datetime) -> Stage | None:
        """The last time until then that somebody took it."""
        taken = (stage for stage in reversed(self.stages) if stage.state == "RUNNING")
        return next((stage for stage in taken if stage.at <= instant), None)


@dataclass(slots=True)
class Refund:
    """One refund."""

    amount: int
    status: str = "PENDING"


@dataclass(slots=True)
class Story:
    """One payment intent.

    ``strays`` are PSP account and payment of what succeeded after it was given up. ``lapses``: its capture
    was declined for good, so that its PSP lets go of the authorization when that runs out.
    """

    id: str
    merchant_id: str
    currency: str = ""
    status: str = "CREATED"
    resumes: str = ""
    authorized: int = 0
    captured: int = 0
    fee: int = 0
    psp_account_id: str = ""
    psp_payment_id: str = ""
    attempts: dict[str, Attempt] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    transactions: list[Row] = field(default_factory=list)
    strays: set[tuple[str, str]] = field(default_factory=set)
    lapses: bool = False
    findings: list[Finding] = field(default_factory=list)

    @property
    def own_payment(self) -> tuple[str, str]:
        """PSP account and payment of what it has not given up."""
        own = (self.psp_account_id, self.psp_payment_id)
        return ("", "") if own in self.strays else own

    @property
    def refunded(self) -> int:
        return sum(one.amount for one in self.refunds.values() if one.status == "REFUNDED")

    @property
    def pending(self) -> int:
        return sum(one.amount for one in self.refunds.values() if one.status == "PENDING")

    @property
    def held(self) -> int:
        """What it says is held at its PSP."""
        stands = self.resumes if self.status == "PROCESSING" else self.status
        return self.authorized if stands == "AUTHORIZED" else 0

    def finds(self, wrong: Wrong, shown_by: object) -> None:
        """Notes what is wrong with it."""
        self.findings.append(Finding(wrong, self.id, str(shown_by)))

    def follow(self, event: Row) -> None:
        """Moves on by one event."""
        kind, data, at = event["type"], event["data"], event["committed_at"]
        if kind not in _FOLLOW:
            return
        _FOLLOW[kind](self, data, at)
        if data.get("transaction"):
            self.transactions.append(data["transaction"])
        if self.refunded + self.pending > self.captured:
            self.finds(Wrong.OVER_REFUNDED, kind)

    def move(self, status: str) -> None:
        if status != self.status and (self.status, status) not in MOVES:
            self.finds(Wrong.ILLEGAL_MOVE, f"{self.status} to {status}")
        self.status = status

    def begin(self, details: Row, at: datetime) -> None:
        self.attempts[details["id"]] = Attempt(details, [Stage(at, "RUNNING", details["due_at"])])

    def wait(self, attempt_id: str, stage: Stage) -> Attempt:
        """An attempt goes on; it must not have ended."""
        attempt = self.attempts[attempt_id]
        if not attempt.is_open:
            self.finds(Wrong.REOPENED, f"{attempt.details['psp_key']}: {attempt.state} to {stage.state}")
        attempt.stages.append(stage)
        return attempt

    def end(self, attempt_id: str, state: str, at: datetime) -> Attempt:
        return self.wait(attempt_id, Stage(at, state))


def stories(events: Iterable[Row]) -> dict[str, Story]:
    """Every intent by its id, told to the end."""
    found: dict[str, Story] = {}
    versions: dict[str, int] = {}
    for event in events:
        aggregate_id = event["aggregate_id"]
        if not aggregate_id.startswith("pi_"):
            continue
        story = found.setdefault(aggregate_id, Story(aggregate_id, event["merchant_id"]))
        versions[aggregate_id] = versions.get(aggregate_id, 0) + 1
        if event["aggregate_version"] != versions[aggregate_id]:
            story.finds(Wrong.EVENT_GAP, event["aggregate_version"])
        story.follow(event)
    return found


def _created(story: Story, data: Row, at: datetime) -> None:
    story.currency = data["currency"]


def _operation_started(story: Story, data: Row, at: datetime) -> None:
    story.resumes = story.status
    story.psp_account_id = data["attempt"]["psp_account_id"]
    story.move("PROCESSING")
    story.begin(data["attempt"], at)


def _failed_over(story: Story, data: Row, at: datetime) -> None:
    attempt = story.end(data["attempt_id"], "DECLINED" if data["declined"] else "NOT_EXECUTED", at)
    if data["failure"]["advice"] != "RETRY_ELSEWHERE" or attempt.details["operation"] != "AUTHORIZE":
        story.finds(Wrong.FAILED_OVER_WITHOUT_PROOF, data["failure"]["code"])
    story.psp_account_id = data["attempt"]["psp_account_id"]
    story.psp_payment_id = ""
    story.begin(data["attempt"], at)


def _resumed(story: Story, data: Row, at: datetime) -> None:
    attempt = story.wait(data["attempt_id"], Stage(at, "RUNNING", data["due_at"]))
    if data["fence"] != attempt.fence + 1:
        story.finds(Wrong.FENCE_SKIPPED, data["fence"])
    attempt.fence = data["fence"]


def _unknown(story: Story, data: Row, at: datetime) -> None:
    story.wait(data["attempt_id"], Stage(at, "UNKNOWN", data["due_at"]))


def _accepted(story: Story, data: Row, at: datetime) -> None:
    attempt = story.wait(data["attempt_id"], Stage(at, "ACCEPTED", data["due_at"]))
    first = attempt.details["operation"] == "AUTHORIZE" and not attempt.details["psp_payment_id"]
    if first and not data["shuts_out"]:
        story.psp_payment_id = data["psp_reference"]


def _parked(story: Story, data: Row, at: datetime) -> None:
    story.wait(data["attempt_id"], Stage(at, "PARKED"))


def _strayed(story: Story, data: Row, at: datetime) -> None:
    attempt = story.attempts[data["attempt_id"]]
    # One that was undone stands again where its refund came back; the effects tell whether that did.
    if attempt.state not in (*GIVEN_UP, "UNDONE"):
        story.finds(Wrong.REOPENED, f"{attempt.details['psp_key']}: {attempt.state} to STRAY")
    attempt.stages.append(Stage(at, "STRAY"))
    for former in story.attempts.values():
        if former.details["undoes"] == data["attempt_id"]:
            former.stages.append(Stage(at, "DECLINED"))
    story.strays.add((attempt.psp, data["psp_payment_id"]))
    story.begin(data["attempt"], at)


def _undone(story: Story, data: Row, at: datetime) -> None:
    undoing = story.end(data["attempt_id"], "SUCCEEDED", at)
    stray = story.attempts[undoing.details["undoes"]]
    if stray.state != "STRAY":
        story.finds(Wrong.REOPENED, f"{stray.details['psp_key']}: {stray.state} to UNDONE")
    stray.stages.append(Stage(at, "UNDONE"))


def _aborted(story: Story, data: Row, at: datetime) -> None:
    story.end(data["attempt_id"], "NOT_EXECUTED", at)
    story.move(story.resumes)
    if story.resumes == "CREATED":
        story.psp_account_id = story.psp_payment_id = ""


def _action_required(story: Story, data: Row, at: datetime) -> None:
    story.end(data["attempt_id"], "SUCCEEDED", at)
    story.psp_payment_id = data["psp_payment_id"]
    story.move("REQUIRES_ACTION")


def _authorized(story: Story, data: Row, at: datetime) -> None:
    story.end(data["attempt_id"], "SUCCEEDED", at)
    story.psp_payment_id = data["psp_payment_id"]
    story.authorized = data["authorized_amount"]
    story.move("AUTHORIZED")


def _captured(story: Story, data: Row, at: datetime) -> None:
    story.end(data["attempt_id"], "SUCCEEDED", at)
    story.psp_payment_id = data["psp_payment_id"]
    story.captured = data["captured_amount"]
    story.fee = data["fee_amount"]
    story.authorized = story.authorized or story.captured
    story.move("CAPTURED")


def _canceled(story: Story, data: Row, at: datetime) -> None:
    if data["attempt_id"]:
        story.end(data["attempt_id"], "SUCCEEDED", at)
    story.move("CANCELED")


def _failed(story: Story, data: Row, at: datetime) -> None:
    attempt = story.end(data["attempt_id"], "DECLINED", at)
    story.lapses = attempt.details["operation"] == "CAPTURE"
    story.psp_payment_id = data["psp_payment_id"] or story.psp_payment_id
    story.move("FAILED")


def _capture_reversed(story: Story, data: Row, at: datetime) -> None:
    story.captured = story.fee = 0
    story.move("FAILED")


def _refund_created(story: Story, data: Row, at: datetime) -> None:
    story.refunds[data["refund_id"]] = Refund(data["amount"])
    story.begin(data["attempt"], at)


def _refund_settled(status: str, attempt_state: str) -> Callable[[Story, Row, datetime], None]:
    def follow(story: Story, data: Row, at: datetime) -> None:
        if attempt_state:
            story.end(data["attempt_id"], attempt_state, at)
        refund = story.refunds[data["refund_id"]]
        expected = "PENDING" if attempt_state else "REFUNDED"
        if refund.status != expected:
            story.finds(Wrong.REOPENED, f"{data['refund_id']}: {refund.status} to {status}")
        refund.status = status
        story.move("REFUNDED" if story.refunded == story.captured else "CAPTURED")

    return follow


_FOLLOW: dict[str, Callable[[Story, Any, datetime], None]] = {
    "payment_intent.created": _created,
    "payment_intent.operation_started": _operation_started,
    "payment_intent.failed_over": _failed_over,
    "payment_intent.operation_aborted": _aborted,
    "payment_intent.action_required": _action_required,
    "payment_intent.authorized": _authorized,
    "payment_intent.captured": _captured,
    "payment_intent.canceled": _canceled,
    "payment_intent.failed": _failed,
    "payment_intent.capture_reversed": _capture_reversed,
    "attempt.resumed": _resumed,
    "attempt.outcome_unknown": _unknown,
    "attempt.accepted": _accepted,
    "attempt.parked": _parked,
    "attempt.strayed": _strayed,
    "attempt.undone": _undone,
    "refund.created": _refund_created,
    "refund.succeeded": _refund_settled("REFUNDED", "SUCCEEDED"),
    "refund.failed": _refund_settled("FAILED", "DECLINED"),
    "refund.reversed": _refund_settled("FAILED", ""),
}
