"""Bugs of whoever finishes what others left."""

from __future__ import annotations

from tests.chaos.bugs.bug import Bug, Edit
from tests.chaos.evidence import Wrong

CALLING = "payflow.commands.psp_calling"
FINISHING = "payflow.domain.intent.finishing"
WAITING = "payflow.domain.intent.waiting"
SHUT_OUT = "NotExecuted(declines.failure('psp_key_shut_out'))"

RECOVERING = [
    Bug(
        "no_fence",
        "who was overtaken writes an outcome down all the same",
        Wrong.GIVEN_UP_BUT_EXECUTED,
        [Edit(f"{FINISHING}.record", {" or attempt.fence != command.fence": ""})],
        {"never_sent": 0.3, "unanswered": 0.5, "questions_unanswered": 0.6, "sleep": 0.15, "dropped": 1.0},
    ),
    Bug(
        "fence_stays",
        "whoever takes an attempt over leaves its fence where it is",
        Wrong.FENCE_SKIPPED,
        [Edit(f"{WAITING}.resume", {"attempt.fence + 1": "attempt.fence"})],
        {"lost": 0.4},
    ),
    Bug(
        "stale_lease_still_calls",
        "who slept past a lease calls the PSP all the same",
        Wrong.ASKED_WITHOUT_LEASE,
        [Edit(f"{CALLING}._kept_back", {"ports.clock.now() >= due.attempt.due_at": "False"})],
        {"sleep": 0.1},
    ),
    Bug(
        "ended_attempt_taken_over",
        "an attempt that has ended is taken over once its lease has run out",
        Wrong.REOPENED,
        [
            Edit(f"{WAITING}.is_due", {"attempt.is_open and ": ""}),
            Edit(f"{FINISHING}.record", {"not attempt.is_open or ": ""}),
        ],
        {"lost": 0.4, "sleep": 0.1, "meanwhile": 0.3},
    ),
    Bug(
        "shut_out_skipped",
        "what a PSP cannot tell of is given up without shutting it out",
        Wrong.GIVEN_UP_BUT_EXECUTED,
        [
            Edit(
                f"{CALLING}.resolve",
                {"_asked(ports, due, lambda: connector.cancel_by_reference(_psp_call(due)))": SHUT_OUT},
            )
        ],
        {"late": 0.6},
    ),
    Bug(
        "time_out_taken_for_no",
        "an operation that nobody could tell of is taken back",
        Wrong.GIVEN_UP_BUT_EXECUTED,
        [
            Edit(
                f"{FINISHING}.finish",
                {
                    "return wait_for_check(attempt, situation, was_due_at, asked=outcome.asked)": "outcome = "
                    f"{SHUT_OUT}"
                },
            )
        ],
        {"unanswered": 0.4, "dropped": 1.0},
    ),
    Bug(
        "accepted_asked_for_again",
        "what a PSP has taken in is asked for again",
        Wrong.ASKED_AGAIN,
        [Edit(f"{CALLING}.resolve", {"if attempt.psp_reference:": "if False:"})],
        {"resolved": 0.1},
    ),
    Bug(
        "repeated_outside_the_key_window",
        "a key that the PSP may have forgotten is sent again",
        Wrong.ASKED_TOO_LATE,
        [
            Edit(
                f"{CALLING}._is_remembered",
                {
                    "arrives_by < attempt.started_at + "
                    "timedelta(seconds=connector.capabilities.key_window_s)": "True"
                },
            )
        ],
        {"lost": 0.4, "long_wait": 0.04},
    ),
    Bug(
        "psp_that_is_back_not_asked",
        "what nobody could tell waits for its next check, although the PSP is back",
        Wrong.UNKNOWN_TOO_LONG,
        [Edit("server.worker.expediting.Expediting.round", {"self._unknown()": "()"})],
        {"lost": 0.5, "questions_unanswered": 0.9, "dropped": 1.0},
    ),
    Bug(
        "refused_undoing_put_off",
        "what a PSP refuses to undo is put off again and again, and nobody hears of it",
        Wrong.UNKNOWN_TOO_LONG,
        [Edit("payflow.domain.intent.straying.finish_undoing", {"isinstance(outcome, Declined)": "False"})],
        {"lied": 0.4, "modification_declined": 0.4, "fails_in_the_end": 0.4},
    ),
]
