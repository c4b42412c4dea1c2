"""Faults between folding and commit: what is acknowledged, and what is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding.submission import Applied
from payflow.domain.ledger.commands import PostTransaction, PostTransactions
from payflow.domain.resources import TransactionView
from tests.torture.faults.fault import TAKE_GUARDS_AWAY, Fault, Patches, every, fault, replaced

COMMITS: list[Fault] = []


@fault(COMMITS, "a batch is acknowledged, and rolled back in place of committed")
def acknowledged_before_commit() -> Patches:
    unlucky = every(10)

    def make(serializable: Any) -> Any:
        @contextmanager
        def faulty(writer: Any) -> Iterator[Any]:
            with serializable(writer) as connection:
                yield connection
                if unlucky():
                    connection.execute("ROLLBACK")
                    connection.execute("BEGIN")

        return faulty

    return [replaced("payflow.store.database.writer_connection.WriterConnection.serializable", make)]


@fault(COMMITS, "no turns and READ COMMITTED: batches overwrite each other", TAKE_GUARDS_AWAY)
def no_turns_and_no_isolation() -> Patches:
    return [
        replaced(
            "payflow.store.database.writer_connection.WriterConnection._take_turn", lambda _: lambda *_: False
        ),
        replaced(
            "payflow.store.database.writer_connection.BEGIN", lambda _: "BEGIN ISOLATION LEVEL READ COMMITTED"
        ),
    ]


@fault(COMMITS, "idempotency keys are never stored")
def lost_keys() -> Patches:
    return [replaced("payflow.store.commit.writing._key_statements", lambda _: lambda *_: iter(()))]


# Without guards, or the events that stay without what they tell of would refuse whoever comes next.
@fault(COMMITS, "a key and its answer are stored, but what it did is not written", TAKE_GUARDS_AWAY)
def key_without_effect() -> Patches:
    unlucky = every(10)

    def make(statements: Any) -> Any:
        return lambda changes: () if unlucky() else statements(changes)

    return [replaced("payflow.store.commit.writing.ledger_statements", make)]


@fault(COMMITS, "a commit whose answer was lost is made again, as another transaction")
def committed_twice() -> Patches:
    unlucky = every(10)

    def make(commit: Any) -> Any:
        def faulty(committer: Any, submission: Any, deadline: Any, **more: Any) -> Any:
            result = commit(committer, submission, deadline, **more)
            command = submission.command
            if isinstance(command, PostTransaction) and isinstance(result, Applied) and unlucky():
                draft = replace(command.draft, id=f"txn_{uuid4().hex}")
                again = replace(command, draft=draft)
                commit(
                    committer,
                    replace(submission, command=again, command_id=uuid4().hex, claim=None),
                    deadline,
                )
            return result

        return faulty

    return [replaced("payflow.store.commit.committer.Committer.commit", make)]


@fault(COMMITS, "the last transaction of a bulk is acknowledged, but left out")
def bulk_leaves_one_out() -> Patches:
    def make(applied: Any) -> Any:
        def faulty(fold: Any, command: Any) -> Any:
            resource = applied(fold, command)
            if isinstance(command, PostTransactions) and isinstance(resource.items[-1], TransactionView):
                fold._changes.transactions.pop()
            return resource

        return faulty

    return [replaced("payflow.domain.folding.ledger.LedgerFold._applied", make)]


@fault(COMMITS, "a transaction is refused, but what it did stays")
def refused_with_an_effect() -> Patches:
    unlucky = every(20)

    def make(post: Any) -> Any:
        def faulty(fold: Any, command: Any) -> Any:
            view = post(fold, command)
            if unlucky():
                raise PayFlowError(Reason.UNBALANCED_TRANSACTION, "on purpose")
            return view

        return faulty

    return [replaced("payflow.domain.folding.ledger.LedgerFold._post", make)]
