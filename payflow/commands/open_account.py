"""Opens a ledger account of a caller's own."""

from __future__ import annotations

from payflow.commands.call import Answer, Call, commit_and_answer
from payflow.commands.ports import Ports
from payflow.domain.ids import derive_id
from payflow.domain.ledger.account import Account, AccountType
from payflow.domain.ledger.commands import OpenAccount
from payflow.domain.merchant.state import Merchant
from payflow.domain.texts import Texts


def open_account(
    ports: Ports,
    call: Call,
    merchant: Merchant,
    account_id: str,
    account_type: AccountType,
    currency: str,
    allow_negative: bool,
    texts: Texts,
) -> Answer:
    """The account, from fields that were checked; an id is made where none is given."""

    def make(command_id: str) -> OpenAccount:
        chosen = account_id or derive_id("acc", command_id, merchant.slot)
        return OpenAccount(merchant.id, Account(chosen, account_type, currency, allow_negative), texts)

    return commit_and_answer(ports, call, make)
