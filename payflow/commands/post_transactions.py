"""Posts transactions of a caller's own book, or places them as holds: one, or many in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from payflow.commands.call import Answer, Call, commit_and_answer
from payflow.commands.ports import Ports
from payflow.domain.errors import PayFlowError
from payflow.domain.ids import derive_id
from payflow.domain.ledger.commands import PostTransaction, PostTransactions
from payflow.domain.merchant.state import Merchant


@dataclass(frozen=True, slots=True)
class Numbering:
    """Gives the drafts of one command their ids."""

    merchant: Merchant
    command_id: str

    def numbered(self, posting: PostTransaction, ordinal: int = 0) -> PostTransaction:
        """The posting with the id of the command's ``ordinal``-th transaction."""
        transaction_id = derive_id("txn", self.command_id, self.merchant.slot, ordinal)
        return replace(posting, draft=replace(posting.draft, id=transaction_id))


def post_transaction(ports: Ports, call: Call, merchant: Merchant, posting: PostTransaction) -> Answer:
    """One transaction, from fields that were checked."""
    return commit_and_answer(
        ports, call, lambda command_id: Numbering(merchant, command_id).numbered(posting)
    )


def post_transactions(
    ports: Ports, call: Call, merchant: Merchant, items: Sequence[PostTransaction | PayFlowError]
) -> Answer:
    """Each by itself, in order; what was refused at sight stands in its place."""

    def make(command_id: str) -> PostTransactions:
        numbering = Numbering(merchant, command_id)
        return PostTransactions(
            merchant.id,
            tuple(
                item if isinstance(item, PayFlowError) else numbering.numbered(item, ordinal)
                for ordinal, item in enumerate(items)
            ),
        )

    return commit_and_answer(ports, call, make)
