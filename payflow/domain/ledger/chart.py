"""The chart of system accounts: ``sys:{role}:{psp_account}:{CCY}``, closed to callers."""

from __future__ import annotations

from enum import Enum

from payflow.domain.ledger.account import Account, AccountType

SYSTEM_PREFIX = "sys:"


class Role(Enum):
    """What a system account is for; the value is its type.

    Every one may go negative: a refund may exceed what a merchant has left, and clearing follows PSPs.
    """

    PSP_CLEARING = ("psp_clearing", AccountType.ASSET)
    MERCHANT_PAYABLE = ("merchant_payable", AccountType.LIABILITY)
    PLATFORM_FEES = ("platform_fees", AccountType.REVENUE)
    PSP_FEES = ("psp_fees", AccountType.EXPENSE)
    BANK = ("bank", AccountType.ASSET)

    def account_id(self, psp_account_id: str, currency: str) -> str:
        """The account of this role for one PSP account and currency."""
        return f"{SYSTEM_PREFIX}{self.value[0]}:{psp_account_id}:{currency}"

    def is_of(self, account_id: str) -> bool:
        """Whether this is an account of the role."""
        return account_id.startswith(f"{SYSTEM_PREFIX}{self.value[0]}:")


_TYPES = {role.value[0]: role.value[1] for role in Role}


def psp_account_of(account_id: str) -> str:
    """The PSP account that an id of a system account names."""
    return account_id.split(":")[2]


def system_account(account_id: str) -> Account:
    """The system account that an id describes; ids are made by Role.account_id alone."""
    _, role, _, currency = account_id.split(":")
    return Account(account_id, _TYPES[role], currency, allow_negative=True)
