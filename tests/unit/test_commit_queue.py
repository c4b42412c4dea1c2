from __future__ import annotations

from datetime import UTC, datetime

import pytest

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding.submission import Origin, Submission
from payflow.domain.ledger.commands import PostTransaction, PostTransactions, VoidHold
from payflow.domain.ledger.transaction import DraftTransaction, Posting
from payflow.store.commit.queue import CommitQueue, Pending, QueueLimits

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def bulk(transactions: int) -> Pending:
    """A bulk with two entries a transaction."""
    draft = DraftTransaction("txn", (Posting("a", 1, "USD"), Posting("b", -1, "USD")))
    command = PostTransactions("shop", (PostTransaction("shop", draft),) * transactions)
    return Pending(Submission(command, "command", NOW, Origin("test", "")), None)


def queue(**limits: int) -> CommitQueue:
    return CommitQueue(QueueLimits(**({"batch_max": 10, "batch_entries_max": 100} | limits)))


def weights(waiting: CommitQueue) -> list[int]:
    return [pending.weight for pending in waiting.take()]


def test_a_batch_ends_before_it_has_too_many_entries() -> None:
    waiting = queue()
    for transactions in (10, 30, 11, 1):
        waiting.put(bulk(transactions))
    assert weights(waiting) == [20, 60]
    assert weights(waiting) == [22, 2]


def test_a_batch_ends_before_it_has_too_many_commands() -> None:
    waiting = queue(batch_max=2)
    for _ in range(3):
        waiting.put(bulk(1))
    assert weights(waiting) == [2, 2]
    assert weights(waiting) == [2]


def test_large_bulks_are_batches_of_their_own_and_take_turns_with_everything_else() -> None:
    waiting = queue()
    for transactions in (51, 52, 53, 1, 2):
        waiting.put(bulk(transactions))
    assert weights(waiting) == [2, 4]
    assert weights(waiting) == [102]
    waiting.put(bulk(3))
    assert weights(waiting) == [6]
    assert weights(waiting) == [104]
    assert weights(waiting) == [106]


@pytest.mark.parametrize("limits", [{"waiting_max": 1}, {"waiting_entries_max": 20}])
def test_what_waits_is_bounded_by_commands_and_by_entries(limits: dict[str, int]) -> None:
    waiting = queue(**limits)
    waiting.put(bulk(10))
    with pytest.raises(PayFlowError) as refused:
        waiting.put(bulk(1))
    assert refused.value.reason is Reason.OVERLOADED
    waiting.put(bulk(1), always=True)
    assert weights(waiting) == [20, 2]
    waiting.put(bulk(1))


def test_waiting_bulks_do_not_keep_others_out() -> None:
    waiting = queue(waiting_max=1)
    waiting.put(bulk(51))
    waiting.put(bulk(1))
    with pytest.raises(PayFlowError):
        waiting.put(bulk(51))


def test_what_undoes_counts_as_more_than_one_entry() -> None:
    waiting = queue(batch_entries_max=45)
    for number in range(3):
        command = VoidHold("shop", f"txn_{number}", f"txn_void_{number}")
        waiting.put(Pending(Submission(command, f"command_{number}", NOW, Origin("test", "")), None))
    assert weights(waiting) == [20, 20]
    assert weights(waiting) == [20]
