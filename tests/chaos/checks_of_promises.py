"""What callers and operators were promised: answers that stay, and an end to everything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from tests.chaos.evidence import Answered, Evidence, Finding, Wrong
from tests.chaos.history import Attempt, Story

KNOWN_WITHIN = timedelta(seconds=60)
OPENING = ("authorize", "sale")


def check(evidence: Evidence, stories: Mapping[str, Story]) -> Iterator[Finding]:
    """Everything has ended in time, and every key has one answer and one effect."""
    yield from _open(evidence, stories)
    yield from _answers(evidence)
    yield from _effects_of_keys(evidence, stories)
    for notice in evidence.refused:
        yield Finding(Wrong.NOTICE_REFUSED, notice)
    for error in evidence.broken:
        yield Finding(Wrong.BROKEN, error)


def _open(evidence: Evidence, stories: Mapping[str, Story]) -> Iterator[Finding]:
    """A PSP that can be asked has told within a minute of the last fault; every other one by the end.

    The minute of what somebody held who is dead begins when the lease ends.

    At one that cannot be asked a first authorization may stay open that never came there: its notice says
    that nothing could be canceled, which proves nothing, and only a person can know more.
    """
    moved = {effect.reference for effect in evidence.effects}
    for story in stories.values():
        for attempt in story.attempts.values():
            key, looks_up = attempt.details["psp_key"], evidence.psps[attempt.psp].looks_up
            stage = attempt.stage_at(_free_since(attempt, evidence.calm_since) + KNOWN_WITHIN)
            if looks_up and stage is not None and stage.state == "UNKNOWN":
                yield Finding(Wrong.UNKNOWN_TOO_LONG, key)
            is_first = attempt.details["operation"] == "AUTHORIZE" and not attempt.details["psp_payment_id"]
            nobody_knows = not looks_up and is_first and key not in moved
            if attempt.is_open and not nobody_knows:
                yield Finding(Wrong.LEFT_OPEN, key, attempt.state)
    for refund in evidence.refunds:
        if refund["status"] == "PENDING":
            yield Finding(Wrong.LEFT_OPEN, refund["id"], "PENDING")


def _free_since(attempt: Attempt, calm_since: datetime) -> datetime:
    stage = attempt.stage_at(calm_since)
    held_until = stage.due_at if stage is not None and stage.state == "RUNNING" else None
    return max(calm_since, held_until or calm_since)


def _answers(evidence: Evidence) -> Iterator[Finding]:
    by_key: defaultdict[tuple[str, str], list[Answered]] = defaultdict(list)
    for answer in evidence.answered:
        by_key[answer.merchant_id, answer.key].append(answer)
    for (_, key), answers in by_key.items():
        # Whoever was overtaken is told what is true by then; whoever repeats a request, what was stored.
        stored = [one for one in answers if one.replayed]
        if len({one.response for one in stored}) > 1:
            yield Finding(Wrong.ANSWER_CHANGED, key)
        if len({one.request for one in stored}) > 1:
            yield Finding(Wrong.KEY_REUSED, key)
    for row in evidence.keys:
        if row["response"] is None:
            yield Finding(Wrong.KEY_UNANSWERED, row["key"])


def _effects_of_keys(evidence: Evidence, stories: Mapping[str, Story]) -> Iterator[Finding]:
    """A caller's key moves money once, besides what a PSP did against its own word."""
    keys = {
        attempt.details["psp_key"]: (story.merchant_id, attempt.details["idempotency_key"])
        for story in stories.values()
        for attempt in story.attempts.values()
        if attempt.details["idempotency_key"]
    }
    moved: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for effect in evidence.effects:
        later = effect.operation in ("capture_failed", "refund_failed")
        if effect.reference in keys and not effect.confessed and not later:
            operation = "authorize" if effect.operation in OPENING else effect.operation
            moved[keys[effect.reference]].add(f"{operation} {effect.reference}")
    for (_, key), movements in moved.items():
        if len({movement for movement in movements if not movement.startswith("cancel")}) > 1:
            yield Finding(Wrong.KEY_HAD_TWO_EFFECTS, key, str(sorted(movements)))
