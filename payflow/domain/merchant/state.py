"""Merchants and their PSP accounts: one aggregate, event-sourced and versioned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from payflow.domain.endpoint import Endpoint
from payflow.domain.errors import not_found
from payflow.domain.fees import FeeSchedule


class Mode(StrEnum):
    """Whether real money moves."""

    TEST = "TEST"
    LIVE = "LIVE"


@dataclass(frozen=True, slots=True)
class PspAccount:
    """A merchant's account at a PSP; accounts with a lower ``priority`` are tried first."""

    id: str
    merchant_id: str
    connector: str
    mode: Mode
    fees: FeeSchedule
    credential_ref: str
    priority: int
    enabled: bool
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def endpoint(self) -> Endpoint:
        """How its PSP is reached."""
        return Endpoint(self.connector, self.credential_ref)


@dataclass(frozen=True, slots=True)
class Merchant:
    """A party that takes payments; ids of its things end in its ``slot``."""

    id: str
    name: str
    mode: Mode
    slot: int
    version: int
    created_at: datetime
    updated_at: datetime
    psp_accounts: Mapping[str, PspAccount] = field(default_factory=dict)

    def psp_account(self, identifier: str) -> PspAccount:
        """The account with this id; NOT_FOUND otherwise."""
        if identifier not in self.psp_accounts:
            raise not_found("PSP account", identifier)
        return self.psp_accounts[identifier]

    def psp_accounts_by_priority(self) -> list[PspAccount]:
        """In the order in which they are tried."""
        return sorted(self.psp_accounts.values(), key=lambda account: (account.priority, account.id))


def aggregate_id(merchant_id: str) -> str:
    """The id of a merchant's event stream."""
    return f"merchant:{merchant_id}"
