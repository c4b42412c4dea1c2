from __future__ import annotations

from datetime import UTC, datetime

import pytest

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding.submission import Origin, Submission
from payflow.domain.ledger.commands import PostTransaction, PostTransactions
from payflow.domain.ledger.transaction import DraftTransaction, Posting
from payflow.store.commit_queue import CommitQueue, Pending

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def bulk(transactions: int) -> Pending:
    """A bulk with two entries a transaction."""
    draft = DraftTransaction("txn", (Posting("a", 1, "USD"), Posting("b", -1, "USD")))
    command = PostTransactions("shop", (PostTransaction("shop", draft),) * transactions)
    return Pending(Submission(command, "command", NOW, Origin("test", "")), None)


def weights(queue: CommitQueue, batch_max: int = 10, entries_max: int = 100) -> list[int]:
    return [pending.submission.weight for pending in queue.take(batch_max, entries_max)]


def test_a_batch_ends_before_it_has_too_many_entries() -> None:
    queue = CommitQueue(100, 10_000)
    for transactions in (10, 30, 11, 500, 1):
        queue.put(bulk(transactions))
    assert weights(queue) == [20, 60]
    assert weights(queue) == [22]
    assert weights(queue) == [1_000], "a bulk that is larger than a batch is a batch of its own"
    assert weights(queue) == [2]


def test_a_batch_ends_before_it_has_too_many_commands() -> None:
    queue = CommitQueue(100, 10_000)
    for _ in range(3):
        queue.put(bulk(1))
    assert weights(queue, batch_max=2) == [2, 2]


def test_what_waits_is_bounded_by_commands_and_by_entries() -> None:
    for queue in (CommitQueue(1, 10_000), CommitQueue(100, 20)):
        queue.put(bulk(10))
        with pytest.raises(PayFlowError) as refused:
            queue.put(bulk(1))
        assert refused.value.reason is Reason.OVERLOADED
        queue.put(bulk(1), always=True)
        assert weights(queue) == [20, 2]
        queue.put(bulk(1))
