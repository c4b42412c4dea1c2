"""What moved at PSPs, beside what was written down before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from tests.chaos.at_psps import Wallets, in_order
from tests.chaos.evidence import Asked, Effect, Evidence, Finding, Wrong
from tests.chaos.history import GIVEN_UP, STRAYED, Attempt, Story

# What may move under the reference of an attempt, sooner or later.
MOVABLE = {
    "AUTHORIZE": {"authorize", "sale", "cancel", "capture_failed"},
    "CAPTURE": {"capture", "capture_failed"},
    "CANCEL": {"cancel"},
    "REFUND": {"refund", "refund_failed"},
}
TAKEN_BACK_BY = {"capture": "capture_failed", "refund": "refund_failed"}

Attempts = Mapping[str, tuple[Story, Attempt]]


def check(evidence: Evidence, stories: Mapping[str, Story], wallets: Wallets) -> Iterator[Finding]:
    """Every movement has its attempt and happened once, and no payer is charged twice."""
    attempts = _by_reference(stories.values())
    ours = [effect for effect in in_order(evidence.effects) if effect.reference]
    for effect in ours:
        yield from _written_down(effect, attempts)
    yield from _executed_twice(ours)
    yield from _charged_twice(in_order(evidence.effects))
    yield from _given_up(ours, attempts, wallets)
    for story in stories.values():
        yield from _strays(story, ours, wallets)
    for asked in evidence.asked:
        yield from _asked(asked, evidence, attempts)


def _by_reference(stories: Iterable[Story]) -> Attempts:
    return {
        attempt.details["psp_key"]: (story, attempt)
        for story in stories
        for attempt in story.attempts.values()
    }


def _written_down(effect: Effect, attempts: Attempts) -> Iterator[Finding]:
    if effect.reference not in attempts:
        yield Finding(Wrong.EFFECT_WITHOUT_ATTEMPT, effect.reference, effect.operation)
        return
    story, attempt = attempts[effect.reference]
    details = attempt.details
    if effect.at < attempt.started_at:
        yield Finding(Wrong.EFFECT_BEFORE_ATTEMPT, effect.reference, str(effect.at))
    # What a cancel lets go of is what was held, and nothing that was asked for.
    same_amount = effect.operation == "cancel" or effect.amount == details["amount"]
    same_place = (effect.psp, effect.currency) == (details["psp_account_id"], story.currency)
    if not same_amount or not same_place or effect.operation not in MOVABLE[details["operation"]]:
        yield Finding(Wrong.EFFECT_DIFFERS, effect.reference, str(effect))


def _executed_twice(effects: Iterable[Effect]) -> Iterator[Finding]:
    times = Counter((effect.reference, effect.operation) for effect in effects)
    twice = {reference for (reference, _), count in times.items() if count > 1}
    twice |= {effect.reference for effect in effects if effect.execution > 1}
    for reference in sorted(twice):
        yield Finding(Wrong.EXECUTED_TWICE, reference)


def _charged_twice(effects: Iterable[Effect]) -> Iterator[Finding]:
    """Two at once, unless a PSP lied about one of them; and whatever was said, two at the end."""
    wallets = Wallets()
    charged: dict[str, str] = {}
    for effect in effects:
        payment = wallets.move(effect)
        honest = [one for one in wallets.standing(payment.intent_id) if not one.confessed]
        if len(honest) > 1:
            charged.setdefault(payment.intent_id, f"at {effect.at}: {[one.id for one in honest]}")
    for intent_id in wallets.intents:
        standing = [one.id for one in wallets.standing(intent_id)]
        if len(standing) > 1:
            charged.setdefault(intent_id, f"at the end: {standing}")
    for intent_id, shown_by in charged.items():
        yield Finding(Wrong.DOUBLE_CHARGE, intent_id, shown_by)


def _given_up(effects: Iterable[Effect], attempts: Attempts, wallets: Wallets) -> Iterator[Finding]:
    """What was given up moved nothing, unless its PSP had lied."""
    moved = {(effect.reference, effect.operation) for effect in effects}
    for effect in effects:
        _, attempt = attempts.get(effect.reference, (None, None))
        if attempt is None or attempt.state not in (*GIVEN_UP, *STRAYED):
            continue
        if effect.operation in ("authorize", "sale"):
            # Only a lie makes a stray of what was given up for good reasons.
            given_up_too_early = attempt.state in STRAYED and not effect.confessed
            stands = given_up_too_early or wallets.payments[effect.psp, effect.payment_id].stands
        else:
            taken_back_by = TAKEN_BACK_BY.get(effect.operation)
            stands = taken_back_by is not None and (effect.reference, taken_back_by) not in moved
        if stands:
            yield Finding(Wrong.GIVEN_UP_BUT_EXECUTED, effect.reference, effect.operation)


def _strays(story: Story, effects: Iterable[Effect], wallets: Wallets) -> Iterator[Finding]:
    """Each is undone by one attempt, by another only where that came back, and nothing is left at its PSP."""
    came_back = {effect.reference for effect in effects if effect.operation == "refund_failed"}
    standing: Counter[str] = Counter()
    for undoing in story.attempts.values():
        key = undoing.details["psp_key"]
        standing[undoing.details["undoes"]] += undoing.state not in GIVEN_UP
        if undoing.details["undoes"] and undoing.state in GIVEN_UP and key not in came_back:
            yield Finding(Wrong.STRAY_NOT_UNDONE, key, "was given up")
    for identifier, attempt in story.attempts.items():
        if attempt.state in STRAYED and standing[identifier] != 1:
            yield Finding(Wrong.STRAY_NOT_UNDONE, attempt.details["psp_key"], f"by {standing[identifier]}")
    for payment in wallets.of_intent(story.id):
        if (payment.psp, payment.id) != story.own_payment and (
            payment.held or payment.taken != payment.returned
        ):
            shown_by = f"held {payment.held}, taken {payment.taken}, returned {payment.returned}"
            yield Finding(Wrong.STRAY_NOT_UNDONE, f"{payment.psp} {payment.id}", shown_by)


def _asked(asked: Asked, evidence: Evidence, attempts: Attempts) -> Iterator[Finding]:
    """Whoever asks a PSP holds the attempt, which is not taken in yet and which the PSP remembers.

    It may have been ended by a notice that whoever holds it has not heard of.
    """
    _, attempt = attempts.get(asked.reference, (None, None))
    held = attempt.held_at(asked.at) if attempt else None
    if attempt is None or held is None or held.due_at is None or asked.at >= held.due_at:
        yield Finding(Wrong.ASKED_WITHOUT_LEASE, asked.reference, f"at {asked.at}: {held}")
        return
    if any(one.state == "ACCEPTED" and one.at < asked.at for one in attempt.stages):
        yield Finding(Wrong.ASKED_AGAIN, asked.reference, f"at {asked.at}")
    terms = evidence.psps[asked.psp]
    # What undoes a stray may be asked for as long as a PSP says that it has never seen it.
    never_seen = terms.looks_up and attempt.details["undoes"]
    if asked.at > attempt.started_at + terms.key_window and not never_seen:
        yield Finding(Wrong.ASKED_TOO_LATE, asked.reference, f"at {asked.at}")
