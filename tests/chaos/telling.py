"""Tells what an auditor found, with everything that is known of the first payment that it is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from tests.chaos.evidence import Evidence, Finding

FINDINGS_MAX = 10


def told(evidence: Evidence, findings: Sequence[Finding]) -> str:
    """Lines for whoever has to find out why."""
    lines = [f"{one.wrong}: {one.about} {one.shown_by}" for one in findings[:FINDINGS_MAX]]
    about = next((intent_id for one in findings if (intent_id := _intent_of(evidence, one.about))), None)
    happened = sorted(_happened(evidence, about), key=lambda one: one[0]) if about else []
    return "\n".join(lines + [f"{at} {what}" for at, what in happened])


def _intent_of(evidence: Evidence, about: str) -> str:
    return next((intent["id"] for intent in evidence.intents if intent["id"] in about), "")


def _happened(evidence: Evidence, intent_id: str) -> Iterator[tuple[datetime, str]]:
    for event in evidence.events:
        if event["aggregate_id"] == intent_id:
            data = {name: value for name, value in event["data"].items() if name != "transaction"}
            yield event["committed_at"], f"{event['type']} {data}"
    ours = {(one.psp, one.payment_id) for one in evidence.effects if one.reference.startswith(intent_id)}
    for effect in evidence.effects:
        if (effect.psp, effect.payment_id) in ours:
            yield effect.at, f"{effect.psp}: {effect.operation} {effect.amount} under {effect.reference!r}"
    for asked in evidence.asked:
        if asked.reference.startswith(intent_id):
            yield asked.at, f"{asked.psp} is asked for {asked.reference}"
