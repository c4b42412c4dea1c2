"""Folds a batch of commands, in order, through the pure decisions.

Each command sees what those before it did. A refused one is refused alone and leaves no trace; each
answer is the state behind its own command, not behind the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from payflow.domain.dead_letter_commands import DeadLetterCommand
from payflow.domain.errors import PayFlowError, not_found
from payflow.domain.folding import idempotency
from payflow.domain.folding.dead_letters import fold_dead_letter
from payflow.domain.folding.ledger import LedgerFold
from payflow.domain.folding.recording import Happening, book_into, record
from payflow.domain.folding.routing import fold_routing
from payflow.domain.folding.submission import (
    Applied,
    Command,
    DueCall,
    Event,
    Refused,
    Result,
    Submission,
)
from payflow.domain.folding.working_set import Changes, KeyRecord, MerchantScoped, WorkingSet
from payflow.domain.intent.commands import (
    ApplyNotice,
    IntentCommand,
    RecordOutcome,
    ResumeAttempt,
    ReverseRefund,
)
from payflow.domain.intent.decide import decide
from payflow.domain.intent.decision import Decision, Situation
from payflow.domain.intent.events import IntentEvent, PaymentIntentFailedOver
from payflow.domain.intent.evolve import evolve
from payflow.domain.intent.state import Attempt, IntentAggregate
from payflow.domain.ledger.commands import LedgerCommand
from payflow.domain.ledger.transaction import DraftTransaction
from payflow.domain.merchant.commands import CreatePspAccount, MerchantCommand, UpdatePspAccount
from payflow.domain.merchant.decide import decide as decide_merchant
from payflow.domain.merchant.evolve import evolve as evolve_merchant
from payflow.domain.merchant.state import Merchant, aggregate_id
from payflow.domain.resources import Resource, view
from payflow.domain.routing.commands import RoutingCommand


class Fold:
    """One pass over a batch. ``working`` is consumed; ``changes`` is what has to be written.

    ``render`` makes the bytes that are stored as a key's response.
    """

    def __init__(self, working: WorkingSet, lease: timedelta, render: Callable[[Resource], bytes]) -> None:
        self.working = working
        self.changes = Changes()
        self._lease = lease
        self._render = render

    def apply(self, submissions: Sequence[Submission]) -> list[Result]:
        """One result per submission, in their order."""
        return [self._one(submission) for submission in submissions]

    def _one(self, submission: Submission) -> Result:
        # Any other error is a defect. It goes up, because the command may have left half of what it does
        # behind; folded apart from the others it then fails alone.
        try:
            return self._earlier_answer(submission) or self._fresh(submission)
        except PayFlowError as error:
            return Refused(error)

    def _earlier_answer(self, submission: Submission) -> Result | None:
        command = submission.command
        if submission.claim is not None:
            record = self.working.keys.get((command.merchant_id, submission.claim.key))
            if record is not None:
                return self._answer_from(record, submission)
        if submission.command_id in self.working.committed:
            return self._already_committed(submission)
        return None

    def _answer_from(self, record: KeyRecord, submission: Submission) -> Result:
        own = record.command_id == submission.command_id
        attempt = self._attempt_of(record, submission.command)
        if own and not record.done:
            return Applied(None, psp_call=self._due_call(submission.command, attempt))
        answer = idempotency.answer(record, submission, attempt)
        if isinstance(answer, ResumeAttempt):
            return self._intent(replace(submission, command=answer, claim=None), answer)
        return replace(answer, first=own)

    def _attempt_of(self, record: KeyRecord, command: Command) -> Attempt | None:
        """The attempt behind a key; None where the key was given to a command about something else."""
        if isinstance(command, MerchantCommand | LedgerCommand | RoutingCommand | DeadLetterCommand):
            return None
        aggregate = self.working.intents.get((command.merchant_id, command.intent_id))
        return aggregate.attempts.get(record.attempt_id) if aggregate else None

    def _already_committed(self, submission: Submission) -> Applied:
        command = submission.command
        if isinstance(command, MerchantCommand):
            return Applied(self._merchant_resource(command))
        if isinstance(command, LedgerCommand | RoutingCommand | DeadLetterCommand):
            # Callers' commands carry a key, which answers them; the worker's need no answer.
            return Applied(None)
        aggregate = self._aggregate(command)
        if isinstance(command, ResumeAttempt):
            attempt = aggregate.attempts.get(command.attempt_id)
            mine = attempt if attempt and attempt.fence == command.fence + 1 else None
            return Applied(view(aggregate), psp_call=self._due_call(command, mine))
        refund_id = command.refund_id if isinstance(command, RecordOutcome | ReverseRefund) else ""
        # A failover or an undoing, which the same command had begun, is now to be carried out.
        begun = aggregate.attempts.get(self._situation(submission).new_id("att"))
        mine = begun if begun and begun.is_open and begun.fence == 1 else None
        return Applied(view(aggregate, refund_id), psp_call=self._due_call(command, mine))

    def _fresh(self, submission: Submission) -> Applied:
        command = submission.command
        if isinstance(command, MerchantCommand):
            applied = self._merchant(submission, command)
        elif isinstance(command, LedgerCommand):
            applied = LedgerFold(self.working, self.changes, submission).apply(command)
        elif isinstance(command, RoutingCommand):
            applied = fold_routing(self.working, self.changes, submission, command)
        elif isinstance(command, DeadLetterCommand):
            applied = fold_dead_letter(self.working, self.changes, submission, command)
        else:
            applied = self._intent(submission, command)
        if submission.claim is not None and applied.events:
            return self._claim(submission, applied)
        return applied

    def _merchant(self, submission: Submission, command: MerchantCommand) -> Applied:
        merchant = self.working.merchants.get(command.merchant_id)
        taken = frozenset(
            slot for slot, owner in self.working.slot_owners.items() if owner != command.merchant_id
        )
        events = decide_merchant(merchant, command, taken)
        for event in events:
            merchant = evolve_merchant(merchant, command.merchant_id, event, submission.now)
        if events and merchant is not None:
            self.working.merchants[merchant.id] = merchant
            self.working.slot_owners[merchant.slot] = merchant.id
            self.changes.merchants.add(merchant.id)
            first = merchant.version - len(events) + 1
            self._record(submission, aggregate_id(merchant.id), first, events)
        return Applied(self._merchant_resource(command), events)

    def _merchant_resource(self, command: MerchantCommand) -> Resource:
        merchant = self._known_merchant(command.merchant_id)
        if isinstance(command, CreatePspAccount | UpdatePspAccount):
            return merchant.psp_account(command.psp_account_id)
        return merchant

    def _known_merchant(self, merchant_id: str) -> Merchant:
        if merchant_id not in self.working.merchants:
            raise not_found("merchant", merchant_id)
        return self.working.merchants[merchant_id]

    def _intent(self, submission: Submission, command: IntentCommand) -> Applied:
        scoped = (command.merchant_id, command.intent_id)
        before = self.working.intents.get(scoped)
        decision = decide(before, command, self._situation(submission))
        after = before
        for event in decision.events:
            after = evolve(after, *scoped, event, submission.now)
        if after is None:
            raise not_found("payment intent", command.intent_id)
        after = replace(after, texts={**after.texts, **decision.texts})
        events = tuple(self._booked(submission, event) for event in decision.events)
        self._keep(submission, after, decision, events)
        due = self._due_call(command, after.attempts.get(decision.attempt_id), _was_due_at(before, command))
        applied = Applied(view(after, decision.refund_id), events, due)
        if isinstance(command, RecordOutcome | ApplyNotice):
            self._finish_key(command, submission, applied)
        return applied

    def _due_call(
        self, command: Command, attempt: Attempt | None, was_due_at: datetime | None = None
    ) -> DueCall | None:
        if attempt is None:
            return None
        intent = self._aggregate(command).intent
        merchant = self._known_merchant(command.merchant_id)
        fallbacks = intent.operation.fallbacks if intent.operation else ()
        return DueCall(
            attempt,
            intent,
            merchant.psp_account(attempt.psp_account_id),
            tuple(merchant.psp_accounts[one] for one in fallbacks if merchant.psp_accounts[one].enabled),
            recovering=isinstance(command, ResumeAttempt),
            was_due_at=was_due_at,
        )

    def _situation(self, submission: Submission) -> Situation:
        command, claim = submission.command, submission.claim
        merchant = self._known_merchant(command.merchant_id)
        key = claim.key if claim else ""
        return Situation(submission.command_id, submission.now, merchant, self._lease, key)

    def _keep(
        self, submission: Submission, after: IntentAggregate, decision: Decision, events: tuple[Event, ...]
    ) -> None:
        intent = after.intent
        scoped = (intent.merchant_id, intent.id)
        self.working.intents[scoped] = after
        for owner, texts in decision.texts.items():
            self.changes.texts[intent.merchant_id, owner] = texts
        if events:
            self.changes.intents.add(scoped)
            self._record(submission, intent.id, intent.version - len(events) + 1, events)

    def _booked(self, submission: Submission, event: IntentEvent) -> IntentEvent:
        draft = getattr(event, "transaction", None)
        if not isinstance(draft, DraftTransaction):
            return event
        booked = book_into(self.working, self.changes, submission.command.merchant_id, draft, submission.now)
        return cast("IntentEvent", replace(cast("Any", event), transaction=booked))

    def _claim(self, submission: Submission, applied: Applied) -> Applied:
        assert submission.claim is not None
        scoped = (submission.command.merchant_id, submission.claim.key)
        attempt_id = applied.psp_call.attempt.id if applied.psp_call else ""
        record = KeyRecord(submission.claim.request_hash, submission.command_id, attempt_id)
        if not attempt_id:
            record = self._answered(record, submission, applied)
        self._set_key(scoped, record)
        return replace(applied, response=record.response)

    def _finish_key(
        self, command: RecordOutcome | ApplyNotice, submission: Submission, applied: Applied
    ) -> None:
        """Answers the key that the finished attempt runs under; a failover hands it on to the next one."""
        if not applied.events:
            return
        event = applied.events[0]
        attempt = self._aggregate(command).attempts.get(getattr(event, "attempt_id", ""))
        if attempt is None:
            return
        scoped = (command.merchant_id, attempt.idempotency_key)
        record = self.working.keys.get(scoped)
        if record is None or record.done or record.attempt_id != attempt.id:
            return
        outcome = command.outcome if isinstance(command, RecordOutcome) else command.notice.outcome
        if isinstance(event, PaymentIntentFailedOver):
            self._set_key(scoped, replace(record, attempt_id=event.attempt.id))
        elif idempotency.frees_key(event, outcome):
            self._set_key(scoped, None)
        else:
            self._set_key(scoped, self._answered(record, submission, applied))

    def _answered(self, record: KeyRecord, submission: Submission, applied: Applied) -> KeyRecord:
        assert applied.resource is not None
        return replace(record, response=self._render(applied.resource), completed_at=submission.now)

    def _set_key(self, scoped: MerchantScoped, record: KeyRecord | None) -> None:
        self.changes.keys[scoped] = record
        if record is None:
            self.working.keys.pop(scoped, None)
        else:
            self.working.keys[scoped] = record

    def _aggregate(self, command: Command) -> IntentAggregate:
        assert not isinstance(command, MerchantCommand | LedgerCommand | RoutingCommand | DeadLetterCommand)
        aggregate = self.working.intents.get((command.merchant_id, command.intent_id))
        if aggregate is None:
            raise not_found("payment intent", command.intent_id)
        return aggregate

    def _record(
        self, submission: Submission, aggregate_id: str, first_version: int, events: tuple[Event, ...]
    ) -> None:
        happenings = [Happening(aggregate_id, first_version + seq, event) for seq, event in enumerate(events)]
        record(self.changes, submission, happenings)


def _was_due_at(before: IntentAggregate | None, command: IntentCommand) -> datetime | None:
    """When an attempt that is taken early had been due."""
    if before is None or not isinstance(command, ResumeAttempt) or not command.early:
        return None
    attempt = before.attempts.get(command.attempt_id)
    return attempt.due_at if attempt else None
