"""Posts or voids a hold, and reverses a transaction: each as a new transaction that names the first."""

from __future__ import annotations

from payflow.commands.call import Answer, Call, commit_and_answer
from payflow.commands.ports import Ports
from payflow.domain.ids import derive_id, slot_of
from payflow.domain.ledger.commands import PostHold, ReverseTransaction, VoidHold
from payflow.domain.texts import Texts


def post_hold(
    ports: Ports, call: Call, merchant_id: str, hold_id: str, amount: int | None, texts: Texts
) -> Answer:
    """``amount`` minor units of a hold, or all of it; the rest is released."""
    return commit_and_answer(
        ports,
        call,
        lambda command_id: PostHold(merchant_id, hold_id, _beside(hold_id, command_id), amount, texts),
    )


def void_hold(
    ports: Ports, call: Call, merchant_id: str, hold_id: str, texts: Texts, expired: bool = False
) -> Answer:
    """Releases a hold; ``expired`` says that it has lapsed."""
    return commit_and_answer(
        ports,
        call,
        lambda command_id: VoidHold(merchant_id, hold_id, _beside(hold_id, command_id), texts, expired),
    )


def reverse_transaction(
    ports: Ports, call: Call, merchant_id: str, transaction_id: str, reference: str, texts: Texts
) -> Answer:
    """The exact opposite of what a transaction posted."""
    return commit_and_answer(
        ports,
        call,
        lambda command_id: ReverseTransaction(
            merchant_id, transaction_id, _beside(transaction_id, command_id), reference, texts
        ),
    )


def _beside(transaction_id: str, command_id: str) -> str:
    """The id of the new transaction, in the slot of the first one's merchant."""
    slot = slot_of(transaction_id)
    assert slot is not None, "an id whose owner is known has a slot"
    return derive_id("txn", command_id, slot)
