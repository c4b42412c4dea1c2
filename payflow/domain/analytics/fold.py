"""Folds the events of a payment into what they add to the daily totals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from payflow.domain.analytics.daily_totals import Totals


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """What is of interest of a PSP call."""

    psp_account_id: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is of interest of an event's data, whichever type it has; the names are the events'."""

    amount: int = 0
    currency: str = ""
    authorized_amount: int = 0
    captured_amount: int = 0
    fee_amount: int = 0
    refund_id: str = ""
    attempt: AttemptFacts | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """What later events of a payment need to know; ``refunds`` are amounts, of those that have not failed.

    ``is_placed`` says that a PSP has taken it on: before that a call that is proven to have done nothing
    leaves it without a PSP account.
    """

    amount: int
    currency: str
    psp_account_id: str = ""
    is_placed: bool = False
    is_authorized: bool = False
    captured_amount: int = 0
    fee_amount: int = 0
    refunds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """The payment behind an event, and what the event adds at a PSP account."""

    payment: Payment
    totals: Totals | None = None
    psp_account_id: str = ""


def fold(payment: Payment | None, event_type: str, facts: Facts) -> Step | None:
    """One more event of a type in FOLDED; None for a payment whose beginning is not known."""
    if event_type == CREATED:
        return Step(
            Payment(facts.amount, facts.currency), Totals(created_count=1, created_amount=facts.amount)
        )
    if payment is None:
        return None
    return _STEPS[event_type](payment, facts)


def _started(payment: Payment, facts: Facts) -> Step:
    assert facts.attempt is not None
    return Step(replace(payment, psp_account_id=facts.attempt.psp_account_id))


def _failed_over(payment: Payment, facts: Facts) -> Step:
    totals = Totals(failed_over_count=1, failed_over_amount=payment.amount)
    return replace(_started(payment, facts), totals=totals, psp_account_id=payment.psp_account_id)


def _aborted(payment: Payment, facts: Facts) -> Step:
    return Step(payment if payment.is_placed else replace(payment, psp_account_id=""))


def _action_required(payment: Payment, facts: Facts) -> Step:
    return Step(replace(payment, is_placed=True))


def _authorized(payment: Payment, facts: Facts) -> Step:
    behind = replace(payment, is_placed=True, is_authorized=True)
    return _at_psp(behind, Totals(authorized_count=1, authorized_amount=facts.authorized_amount))


def _captured(payment: Payment, facts: Facts) -> Step:
    amount, fee = facts.captured_amount, facts.fee_amount
    behind = replace(payment, is_placed=True, is_authorized=True, captured_amount=amount, fee_amount=fee)
    totals = Totals(captured_count=1, captured_amount=amount, fee_amount=fee)
    # A sale authorizes what it captures.
    sale = Totals() if payment.is_authorized else Totals(authorized_count=1, authorized_amount=amount)
    return _at_psp(behind, totals + sale)


def _canceled(payment: Payment, facts: Facts) -> Step:
    return _at_psp(payment, Totals(canceled_count=1, canceled_amount=payment.amount))


def _failed(payment: Payment, facts: Facts) -> Step:
    return _at_psp(payment, Totals(failed_count=1, failed_amount=payment.amount))


def _capture_reversed(payment: Payment, facts: Facts) -> Step:
    totals = Totals(
        reversed_captures_count=1,
        reversed_captures_amount=payment.captured_amount,
        reversed_fee_amount=payment.fee_amount,
    )
    return _at_psp(payment, totals)


def _refund_created(payment: Payment, facts: Facts) -> Step:
    return Step(replace(payment, refunds={**payment.refunds, facts.refund_id: facts.amount}))


def _refund_succeeded(payment: Payment, facts: Facts) -> Step:
    amount = payment.refunds[facts.refund_id]
    return _at_psp(payment, Totals(refunded_count=1, refunded_amount=amount))


def _refund_failed(payment: Payment, facts: Facts) -> Step:
    return Step(_without_refund(payment, facts.refund_id))


def _refund_reversed(payment: Payment, facts: Facts) -> Step:
    amount = payment.refunds[facts.refund_id]
    totals = Totals(reversed_refunds_count=1, reversed_refunds_amount=amount)
    return _at_psp(_without_refund(payment, facts.refund_id), totals)


def _at_psp(payment: Payment, totals: Totals) -> Step:
    return Step(payment, totals, payment.psp_account_id)


def _without_refund(payment: Payment, refund_id: str) -> Payment:
    return replace(payment, refunds={name: it for name, it in payment.refunds.items() if name != refund_id})


CREATED = "payment_intent.created"

_STEPS: Mapping[str, Callable[[Payment, Facts], Step]] = {
    "payment_intent.operation_started": _started,
    "payment_intent.failed_over": _failed_over,
    "payment_intent.operation_aborted": _aborted,
    "payment_intent.action_required": _action_required,
    "payment_intent.authorized": _authorized,
    "payment_intent.captured": _captured,
    "payment_intent.canceled": _canceled,
    "payment_intent.failed": _failed,
    "payment_intent.capture_reversed": _capture_reversed,
    "refund.created": _refund_created,
    "refund.succeeded": _refund_succeeded,
    "refund.failed": _refund_failed,
    "refund.reversed": _refund_reversed,
}

FOLDED = frozenset({CREATED, *_STEPS})
