"""Decides what becomes of an authorization that succeeded after it had been given up.

Another PSP may have taken the payment meanwhile, or the caller was told that nothing happened. So it is
never taken on: the ledger notes it, another attempt voids or refunds it at its PSP, the ledger notes that.
"""

from __future__ import annotations

from datetime import datetime

from payflow.domain.intent.attempting import new_attempt
from payflow.domain.intent.decision import Decision, Situation
from payflow.domain.intent.events import AttemptParked, AttemptStrayed, AttemptUndone, IntentEvent
from payflow.domain.intent.state import Attempt, IntentAggregate
from payflow.domain.intent.waiting import wait_for_check
from payflow.domain.ledger import posting_rules
from payflow.domain.ledger.posting_rules import Book, Hold
from payflow.domain.psp_outcome import Approved, Declined, OperationType, Outcome, Unknown

# A refund that comes back may succeed another time, as where a bank was away; not for ever.
UNDOINGS_MAX = 10


def stray(
    aggregate: IntentAggregate, attempt: Attempt, psp_payment_id: str, situation: Situation
) -> Decision:
    """Notes the late success and starts to undo it."""
    book = Book(attempt.psp_account_id, attempt.currency)
    transaction_id = situation.new_id("txn")
    if attempt.sale:
        # Without a fee: nothing is earned by what is given back.
        posting = posting_rules.captured(book, transaction_id, attempt.amount, 0, None)
    else:
        posting = posting_rules.authorized(book, transaction_id, attempt.amount)
    undoing = new_attempt(
        aggregate.intent,
        OperationType.REFUND if attempt.sale else OperationType.CANCEL,
        attempt.amount,
        situation.merchant.psp_account(attempt.psp_account_id),
        situation,
        psp_payment_id=psp_payment_id,
        idempotency_key="",
        undoes=attempt.id,
        undoes_transaction_id=transaction_id,
    )
    return Decision((AttemptStrayed(attempt.id, psp_payment_id, undoing, posting),), attempt_id=undoing.id)


def latest_undoing(aggregate: IntentAggregate, stray: Attempt) -> Attempt:
    """The last attempt to undo a stray one."""
    return max(_undoings(aggregate, stray), key=lambda one: one.number)


def is_undone_in_vain(aggregate: IntentAggregate, stray: Attempt) -> bool:
    """Whether it was tried so often that a person has to look."""
    return len(_undoings(aggregate, stray)) >= UNDOINGS_MAX


def _undoings(aggregate: IntentAggregate, stray: Attempt) -> list[Attempt]:
    return [one for one in aggregate.attempts.values() if one.undoes == stray.id]


def finish_undoing(
    attempt: Attempt, outcome: Outcome, situation: Situation, was_due_at: datetime | None
) -> IntentEvent:
    """What the undoing came to. It is never given up: what nobody knows is tried again, then parked."""
    if isinstance(outcome, Declined):
        # The same key would only be answered the same again.
        return AttemptParked(attempt.id)
    if not isinstance(outcome, Approved):
        asked = not isinstance(outcome, Unknown) or outcome.asked
        return wait_for_check(attempt, situation, was_due_at, asked)
    book = Book(attempt.psp_account_id, attempt.currency)
    transaction_id = situation.new_id("txn")
    if attempt.operation is OperationType.REFUND:
        posting = posting_rules.capture_reversed(
            book, transaction_id, attempt.amount, 0, attempt.undoes_transaction_id
        )
    else:
        hold = Hold(attempt.undoes_transaction_id, attempt.amount)
        posting = posting_rules.authorization_voided(book, transaction_id, hold)
    return AttemptUndone(attempt.id, posting)
