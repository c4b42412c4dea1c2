"""Bugs of whoever listens to PSPs."""

from __future__ import annotations

from tests.chaos.bugs.bug import Bug, Edit
from tests.chaos.evidence import Wrong

NOTICES = "payflow.domain.intent.noticing"
MEANT = "payflow.domain.intent.noticed_attempt"
AUTHORIZATIONS = "payflow.domain.intent.noticed_authorization"
STRAYS = "payflow.domain.intent.straying"
REVERSING = "payflow.domain.intent.reversing"
ANY_MOVE = Edit("payflow.domain.intent.status.require_allowed", {"source is not target and": "False and"})
STRAYS_ARE_UNDONE = "return straying.stray(aggregate, attempt, payment_id, situation)"
UNDONE_AGAIN = "return straying.stray(aggregate, stray, undoing.psp_payment_id, situation)"

NOTICING = [
    Bug(
        "older_notice_wins",
        "a notice ends an attempt again that had ended",
        Wrong.REOPENED,
        [Edit(f"{NOTICES}.apply", {"    if attempt.is_open:": "    if True:"}), ANY_MOVE],
    ),
    Bug(
        "told_twice_done_twice",
        "a refund that came back is taken back as often as that is told",
        Wrong.REOPENED,
        [
            Edit(f"{NOTICES}._refund", {"if refund.status is RefundStatus.REFUNDED:": "if True:"}),
            Edit(
                f"{REVERSING}.reverse_refund",
                {"refund is None or refund.status is not RefundStatus.REFUNDED": "refund is None"},
            ),
        ],
        {"fails_later": 0.6, "duplicated": 0.8},
    ),
    Bug(
        "any_endpoint_believed",
        "another PSP account's word is taken for the one's that was asked",
        Wrong.CLEARING_DIFFERS,
        [Edit(f"{MEANT}.require_fit", {"account.endpoint != command.endpoint": "False"})],
        {"strangers": 0.8, "lost": 0.4},
    ),
    Bug(
        "any_amount_believed",
        "a notice is believed whatever amount it speaks of",
        Wrong.HOLDS_DIFFER,
        [
            Edit(
                f"{MEANT}.require_fit",
                {"notice.amount is not None and notice.amount != attempt.amount": "False"},
            )
        ],
        {"strangers": 0.8, "lost": 0.4},
    ),
    Bug(
        "late_success_adopted",
        "a payment that had been given up is taken for the intent's own when it succeeds",
        Wrong.REOPENED,
        [
            Edit(
                f"{AUTHORIZATIONS}.authorization",
                {
                    STRAYS_ARE_UNDONE: "return Decision("
                    "(finish(aggregate, attempt, Approved(payment_id), situation),))"
                },
            ),
            ANY_MOVE,
        ],
        {"lied": 0.4},
    ),
    Bug(
        "late_success_ignored",
        "a payment that had been given up stays at its PSP when it succeeds",
        Wrong.GIVEN_UP_BUT_EXECUTED,
        [Edit(f"{AUTHORIZATIONS}.authorization", {STRAYS_ARE_UNDONE: "return NOTHING_NEW"})],
        {"lied": 0.4},
    ),
    Bug(
        "undone_at_the_psp_alone",
        "a stray payment is undone at its PSP and not in the ledger",
        Wrong.HOLDS_DIFFER,
        [Edit(f"{STRAYS}.finish_undoing", {"(attempt.id, posting)": "(attempt.id, None)"})],
        {"lied": 0.4},
    ),
    Bug(
        "undone_in_the_ledger_alone",
        "a stray payment is undone in the ledger, whatever its PSP says",
        Wrong.STRAY_NOT_UNDONE,
        [
            Edit(
                f"{STRAYS}.finish_undoing",
                {"isinstance(outcome, Declined)": "False", "not isinstance(outcome, Approved)": "False"},
            )
        ],
        {"lied": 0.4, "modification_declined": 0.4, "fails_in_the_end": 0.4},
    ),
    Bug(
        "undone_twice",
        "a stray payment is undone again when it is told again",
        Wrong.STRAY_NOT_UNDONE,
        [
            Edit(
                f"{AUTHORIZATIONS}.authorization",
                {"attempt.state in GIVEN_UP": "attempt.state is not AttemptState.SUCCEEDED"},
            )
        ],
        {"lied": 0.4, "duplicated": 0.8},
    ),
    Bug(
        "stray_undone_in_vain",
        "the refund of a stray payment came back, and that is the end of it",
        Wrong.STRAY_NOT_UNDONE,
        [Edit(f"{AUTHORIZATIONS}.undoing_failed", {UNDONE_AGAIN: "return NOTHING_NEW"})],
        {"lied": 0.6, "fails_later": 0.6},
    ),
    Bug(
        "payer_taken_for_a_stray",
        "a payer who acts after a call to go on was given up gets the money back",
        Wrong.TAKEN_DIFFERS,
        [Edit(f"{AUTHORIZATIONS}._waits_for_payer", {"return is_own and": "return False and"})],
        {"challenged": 0.8, "never_sent": 0.4, "declined": 0.0},
    ),
    Bug(
        "capture_failure_ignored",
        "a capture that fails later stays in the books",
        Wrong.TAKEN_DIFFERS,
        [Edit(f"{NOTICES}._capture", {"notice.after_success and": "False and"})],
        {"fails_later": 0.6},
    ),
    Bug(
        "sale_failure_ignored",
        "a sale that fails later stays in the books",
        Wrong.TAKEN_DIFFERS,
        [Edit(f"{NOTICES}.apply", {"if not (attempt.sale and notice.after_success)": "if True"})],
        {"fails_later": 0.6},
    ),
    Bug(
        "reversed_without_fee",
        "a capture that fails later is reversed, and the fee kept",
        Wrong.FEES_DIFFER,
        [Edit(f"{REVERSING}.reverse_capture", {"        intent.fee_amount,\n": "        0,\n"})],
        {"fails_later": 0.6},
    ),
    Bug(
        "refund_failure_ignored",
        "a refund that comes back later stays in the books",
        Wrong.RETURNED_DIFFERS,
        [Edit(f"{NOTICES}._refund", {"notice.after_success and": "False and"})],
        {"fails_later": 0.6},
    ),
    Bug(
        "notice_leaves_the_key",
        "a notice ends an attempt, and its caller's key runs on",
        Wrong.KEY_UNANSWERED,
        [
            Edit(
                "payflow.domain.folding.fold.Fold._intent",
                {"isinstance(command, RecordOutcome | ApplyNotice)": "isinstance(command, RecordOutcome)"},
            )
        ],
        {"crash": 0.1},
    ),
]
