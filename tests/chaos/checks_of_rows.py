"""Rows beside the events that they are to be told by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.chaos.evidence import Evidence, Finding, Row, Wrong
from tests.chaos.history import Story


def check(evidence: Evidence, stories: Mapping[str, Story]) -> Iterator[Finding]:
    """What the events of each intent show to be wrong by themselves, and beside its rows."""
    for story in stories.values():
        yield from story.findings
    for intent in evidence.intents:
        told = _told(stories[intent["id"]]) if intent["id"] in stories else ()
        if told != _stored(intent):
            yield Finding(Wrong.ROW_DIFFERS, intent["id"], f"{told} by events, {_stored(intent)} by its row")
    yield from _parts(evidence, stories)


def _told(story: Story) -> tuple[object, ...]:
    amounts = (story.authorized, story.captured, story.refunded, story.pending)
    place = (story.psp_account_id, story.psp_payment_id)
    return (story.status, *amounts, story.fee if story.captured else 0, *place)


def _stored(intent: Row) -> tuple[object, ...]:
    names = ("authorized_amount", "captured_amount", "refunded_amount", "refund_pending_amount")
    fee = intent["fee_amount"] if intent["captured_amount"] else 0
    place = (intent["psp_account_id"], intent["psp_payment_id"])
    return (intent["status"], *(intent[name] for name in names), fee, *place)


def _parts(evidence: Evidence, stories: Mapping[str, Story]) -> Iterator[Finding]:
    """Attempts and refunds, by the id of each."""
    told: dict[str, object] = {}
    for story in stories.values():
        told |= {key: (one.state, one.fence) for key, one in story.attempts.items()}
        told |= {key: (one.status, one.amount) for key, one in story.refunds.items()}
    stored: dict[str, object] = {one["id"]: (one["state"], one["fence"]) for one in evidence.attempts}
    stored |= {one["id"]: (one["status"], one["amount"]) for one in evidence.refunds}
    for identifier in sorted(told.keys() | stored.keys()):
        if told.get(identifier) != stored.get(identifier):
            shown_by = f"{told.get(identifier)} by events, {stored.get(identifier)} by its row"
            yield Finding(Wrong.ROW_DIFFERS, identifier, shown_by)
