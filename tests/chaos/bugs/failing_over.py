"""Bugs of whoever goes on to another PSP, or tries the same one again."""

from __future__ import annotations

from tests.chaos.bugs.bug import Bug, Edit
from tests.chaos.evidence import Wrong

CALLING = "payflow.commands.psp_calling"
FAILOVER = "payflow.domain.intent.failing_over"
NEVER_SENT = "NotExecuted(declines.failure('psp_unreachable'))"

FAILING_OVER = [
    Bug(
        "failover_on_time_out",
        "a PSP that has not answered is taken for one that was never asked",
        Wrong.DOUBLE_CHARGE,
        [
            Edit(
                f"{CALLING}._execute",
                {
                    "    finally:\n": "        if isinstance(outcome, Unknown):\n"
                    f"            outcome = {NEVER_SENT}\n    finally:\n"
                },
            )
        ],
        {"unanswered": 0.4},
    ),
    Bug(
        "failover_against_advice",
        "what a PSP declined for good is tried at another one",
        Wrong.FAILED_OVER_WITHOUT_PROOF,
        [
            Edit(
                f"{FAILOVER}.allows_failover",
                {" and outcome.failure.advice is Advice.RETRY_ELSEWHERE": ""},
            )
        ],
        {"declined": 0.5},
    ),
    Bug(
        "failover_of_a_capture",
        "money that one PSP holds is to be taken by another one",
        Wrong.FAILED_OVER_WITHOUT_PROOF,
        [
            Edit(
                f"{FAILOVER}.allows_failover",
                {"attempt.operation is not OperationType.AUTHORIZE or attempt.psp_payment_id": "False"},
            ),
            Edit(
                f"{FAILOVER}.fail_over",
                {
                    "or operation.resumes is not IntentStatus.CREATED\n": "\n",
                    "or command.fallback not in operation.fallbacks\n": "\n",
                    "operation.fallbacks.index(account.id)": "0",
                    "operation.fallback_costs[place],": "0,",
                },
            ),
            Edit(
                "payflow.domain.folding.fold.Fold._due_call",
                {"intent.operation.fallbacks if intent.operation else ()": "tuple(merchant.psp_accounts)"},
            ),
        ],
        {"never_sent": 0.4},
    ),
    Bug(
        "failover_keeps_the_key",
        "the caller's key stays with the attempt that was given up",
        Wrong.KEY_UNANSWERED,
        [
            Edit(
                "payflow.domain.folding.fold.Fold._finish_key",
                {"self._set_key(scoped, replace(record, attempt_id=event.attempt.id))": "pass"},
            )
        ],
        {"never_sent": 0.4},
    ),
    Bug(
        "failover_forgets_the_key",
        "the attempt that goes on does not know the caller's key",
        Wrong.KEY_UNANSWERED,
        [Edit(f"{FAILOVER}.fail_over", {"idempotency_key=attempt.idempotency_key": 'idempotency_key=""'})],
        {"never_sent": 0.4},
    ),
    Bug(
        "new_key_on_retry",
        "each try to finish a call has a reference of its own",
        Wrong.EFFECT_WITHOUT_ATTEMPT,
        [
            Edit(
                f"{CALLING}._psp_call",
                {"psp_key=attempt.psp_key": "psp_key=f'{attempt.psp_key}-{attempt.fence}'"},
            )
        ],
        {"lost": 0.4},
    ),
    Bug(
        "key_from_the_clock",
        "a reference is made of the minute in which it is needed",
        Wrong.TAKEN_DIFFERS,
        [
            Edit(
                "payflow.domain.intent.attempting.new_attempt",
                {"{intent.attempts_started + 1}": "{situation.now:%H%M}"},
            )
        ],
    ),
    Bug(
        "unsent_repeat_is_proof",
        "that a repeat was not sent is taken for proof, although an earlier try was",
        Wrong.DOUBLE_CHARGE,
        [Edit(f"{CALLING}.call_psp", {"may_be_executed or isinstance(outcome, Unknown)": "False"})],
        {"failed_after": 0.4, "never_sent": 0.4},
    ),
    Bug(
        "unsent_check_is_proof",
        "that a check's repeat was not sent is taken for proof that the call had not been",
        Wrong.GIVEN_UP_BUT_EXECUTED,
        [Edit(f"{CALLING}._repeated", {"not isinstance(outcome, NotExecuted)": "True"})],
        {"unanswered": 0.4, "never_sent": 0.4, "dropped": 1.0},
    ),
    Bug(
        "shut_gate_taken_for_done",
        "a call that the gate kept back is taken for one that was carried out",
        Wrong.HELD_DIFFERS,
        [Edit(f"{CALLING}._kept_back", {"NotExecuted(declines.failure(shut))": "Approved(shut)"})],
        {"gate_shut": 0.05},
    ),
]
