"""Bugs of keys, amounts and books."""

from __future__ import annotations

from tests.chaos.bugs.bug import Bug, Edit
from tests.chaos.bugs.noticing import ANY_MOVE
from tests.chaos.evidence import Wrong

FINISHING = "payflow.domain.intent.finishing"
FOLDING = "payflow.domain.folding"
STARTING = "payflow.domain.intent.starting"

BOOKKEEPING = [
    Bug(
        "unknown_frees_the_key",
        "a key is free again when nobody could tell what came of its request",
        Wrong.KEY_HAD_TWO_EFFECTS,
        [
            Edit(
                f"{FOLDING}.idempotency.frees_key",
                {
                    "return isinstance(event": "return not hasattr(outcome, 'psp_id') or isinstance(event",
                },
            )
        ],
        {"unanswered": 0.4, "repeated": 0.3, "given_up": 0.0},
    ),
    Bug(
        "keys_are_never_kept",
        "a request that is repeated is carried out again",
        Wrong.KEY_HAD_TWO_EFFECTS,
        [Edit(f"{FOLDING}.fold.Fold._claim", {"self._set_key(scoped, record)": "pass"})],
    ),
    Bug(
        "key_tells_what_is_now",
        "a request that is repeated is answered with how things have gone on since",
        Wrong.ANSWER_CHANGED,
        [
            Edit(
                f"{FOLDING}.fold.Fold._answer_from",
                {
                    "return replace(answer, first=own)": "command = submission.command\n"
                    "    aggregate = self.working.intents.get((command.merchant_id, command.intent_id))\n"
                    "    now = self._render(view(aggregate)) if aggregate else answer.response\n"
                    "    return replace(answer, response=now, first=own)"
                },
            )
        ],
    ),
    Bug(
        "requests_not_compared",
        "a key is answered whatever is asked under it",
        Wrong.KEY_REUSED,
        [
            Edit(
                f"{FOLDING}.idempotency.answer",
                {"record.request_hash != submission.claim.request_hash": "False"},
            )
        ],
    ),
    Bug(
        "refund_not_reserved",
        "refunds that are on their way do not count",
        Wrong.OVER_REFUNDED,
        [
            Edit(
                f"{STARTING}.refund",
                {
                    "amount > intent.refundable_amount": "amount > intent.captured_amount "
                    "- intent.refunded_amount"
                },
            )
        ],
    ),
    Bug(
        "second_operation_at_once",
        "a capture is begun while another operation is in flight",
        Wrong.TAKEN_DIFFERS,
        [
            Edit(
                f"{STARTING}.capture",
                {
                    "intent.status is not IntentStatus.AUTHORIZED": "intent.status not in "
                    "(IntentStatus.AUTHORIZED, IntentStatus.PROCESSING)"
                },
            )
        ],
    ),
    Bug(
        "anything_is_canceled",
        "what was captured is canceled",
        Wrong.ILLEGAL_MOVE,
        [
            Edit(
                f"{STARTING}.cancel",
                {
                    "intent.status not in (IntentStatus.AUTHORIZED, IntentStatus.REQUIRES_ACTION)": "not "
                    "intent.psp_payment_id"
                },
            ),
            ANY_MOVE,
        ],
    ),
    Bug(
        "captured_all_the_same",
        "a part is captured, and all of it is noted",
        Wrong.TAKEN_DIFFERS,
        [
            Edit(
                f"{FINISHING}._captured",
                {
                    "PaymentIntentCaptured(attempt.id, psp_id, attempt.amount": "PaymentIntentCaptured("
                    "attempt.id, psp_id, intent.authorized_amount or attempt.amount"
                },
            )
        ],
    ),
    Bug(
        "hold_outlives_the_capture",
        "a capture leaves the hold of its authorization open",
        Wrong.HOLDS_DIFFER,
        [Edit(f"{FINISHING}._captured", {"fee, intent.hold)": "fee, None)"})],
    ),
    Bug(
        "hold_outlives_a_decline",
        "a capture that is declined for good leaves the hold open",
        Wrong.HOLDS_DIFFER,
        [Edit(f"{FINISHING}._finish_capture", {", failure, _void(intent, situation))": ", failure)"})],
        {"canceled_by_psp": 0.1},
    ),
    Bug(
        "fee_not_booked",
        "the whole of a capture is the merchant's",
        Wrong.FEES_DIFFER,
        [
            Edit(
                f"{FINISHING}._captured",
                {"attempt.amount, fee, intent.hold)": "attempt.amount, 0, intent.hold)"},
            )
        ],
    ),
    Bug(
        "row_keeps_a_reversed_capture",
        "an intent's row still says captured when its events say that it was reversed",
        Wrong.ROW_DIFFERS,
        [Edit("payflow.domain.intent.evolve._capture_reversed", {", captured_amount=0": ""})],
        {"fails_later": 0.6},
    ),
]
