"""Random commands through the pure core: after every one of them, everything that must hold does."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payflow.domain.errors import Reason
from payflow.domain.folding.fold import Fold
from payflow.domain.folding.submission import Applied, Refused, Replayed, Result, Submission
from payflow.domain.folding.working_set import Changes
from payflow.domain.intent.commands import RecordOutcome, ResumeAttempt
from payflow.domain.intent.events import IntentEvent
from payflow.wire.resources import to_bytes
from tests.core import LEASE, Core, comparable, copied
from tests.core_rules import CONTRACT_MOVES, Archive, Journal, check_amounts
from tests.key_rules import KeyRules
from tests.random_commands import OPENINGS, STEPS, Sender, Step

MERCHANTS = ("shop", "stall")
REFUSALS = {
    Reason.INVALID_STATE_TRANSITION,
    Reason.AMOUNT_EXCEEDS_CAPTURABLE,
    Reason.AMOUNT_EXCEEDS_REFUNDABLE,
    Reason.IDEMPOTENCY_KEY_REUSED,
    Reason.IDEMPOTENCY_KEY_IN_USE,
    Reason.NO_PSP_AVAILABLE,
    Reason.CONCURRENT_UPDATE,
    Reason.VALIDATION_FAILED,
    Reason.NOT_FOUND,
}


def core_with_merchants() -> Core:
    core = Core("random")
    core.add_merchant("shop")
    core.add_merchant("stall", fee_bps=255, fee_fixed=30)
    return core


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(opening=OPENINGS, steps=st.lists(STEPS, min_size=15, max_size=45))
def random_commands(seen: Counter[object], opening: list[Step], steps: list[Step]) -> None:
    core = core_with_merchants()
    sender, journal, archive, keys = Sender(core, MERCHANTS), Journal(), Archive(core.working), KeyRules()
    for step in [*opening, *steps]:
        submission = sender.submission(step)
        if submission is None:
            continue
        before = copied(core.working)
        expected = keys.expected(submission, core.working)
        result = core.fold(submission)
        expected(result)
        keys.learn(submission, result, core.working)
        if isinstance(result, Refused) or not core.changes.events:
            assert core.working == before, "a command that did nothing left a trace"
            assert core.changes == Changes()
        else:
            assert_acted(submission, core)
        journal.follow(core.changes)
        archive.follow(core.changes)
        journal.check_balances(core.working)
        journal.check_holds(core.working)
        archive.check(core.working)
        for aggregate in core.working.intents.values():
            check_amounts(aggregate)
        seen.update(kinds(submission, result))
    seen.update(archive.moves)


def assert_acted(submission: Submission, core: Core) -> None:
    command = submission.command
    assert {event.causation_id for event in core.changes.events} == {submission.command_id}
    assert [event.causation_seq for event in core.changes.events] == list(range(len(core.changes.events)))
    if isinstance(command, RecordOutcome | ResumeAttempt):
        attempt = core.aggregate(command.merchant_id, command.intent_id).attempts[command.attempt_id]
        moved = isinstance(command, ResumeAttempt)
        assert attempt.fence == command.fence + moved, "a stale fence changed something"


def kinds(submission: Submission, result: Result) -> list[object]:
    if isinstance(result, Refused):
        assert result.error.reason in REFUSALS, result.error
        return [result.error.reason]
    if isinstance(result, Replayed):
        return [Replayed]
    taken_over = submission.claim is not None and result.psp_call is not None and result.psp_call.recovering
    return [*(type(event) for event in result.events), "taken over" if taken_over else Applied]


def test_random_commands_keep_every_rule() -> None:
    seen: Counter[object] = Counter()
    random_commands(seen)
    wanted = {*IntentEvent.__args__, *CONTRACT_MOVES, *REFUSALS, Replayed, Applied, "taken over"}
    assert {kind for kind in wanted if seen[kind] < 5} == set(), "random commands hardly ever got there"


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    opening=OPENINGS,
    steps=st.lists(STEPS, min_size=5, max_size=40),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
def test_batches_fold_to_what_their_commands_fold_to_one_by_one(
    opening: list[Step], steps: list[Step], sizes: list[int]
) -> None:
    core = core_with_merchants()
    start = copied(core.working)
    sender = Sender(core, MERCHANTS)
    submissions: list[Submission] = []
    single: list[tuple[object, Changes]] = []
    for step in [*opening, *steps]:
        submission = sender.submission(step)
        if submission is not None:
            submissions.append(submission)
            single.append((comparable(core.fold(submission)), core.changes))
    for batch_sizes in ([1], [len(submissions) or 1], sizes):
        working = copied(start)
        results: list[object] = []
        batches: list[Changes] = []
        while len(results) < len(submissions):
            size = batch_sizes[len(batches) % len(batch_sizes)]
            fold = Fold(working, LEASE, to_bytes)
            results += map(comparable, fold.apply(submissions[len(results) : len(results) + size]))
            batches.append(fold.changes)
        assert results == [result for result, _ in single]
        assert merged(batches) == merged([changes for _, changes in single])
        assert working == core.working


def merged(parts: list[Changes]) -> Changes:
    whole = Changes()
    for part in parts:
        whole.events += part.events
        whole.texts |= part.texts
        whole.opened_accounts += part.opened_accounts
        whole.transactions += part.transactions
        whole.keys |= part.keys
        whole.merchants |= part.merchants
        whole.intents |= part.intents
    return whole
