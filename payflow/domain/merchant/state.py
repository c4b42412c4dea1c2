"""Merchants and their PSP accounts: one aggregate, event-sourced and versioned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from payflow.domain.endpoint import Endpoint
from payflow.domain.errors import not_found
from payflow.domain.fees import FeeSchedule
from payflow.domain.psp_capabilities import PspCosts


class Mode(StrEnum):
    """Whether real money moves."""

    TEST = "TEST"
    LIVE = "LIVE"


@dataclass(frozen=True, slots=True)
class PspAccount:
    """A merchant's account at a PSP; accounts with a lower ``priority`` are tried first.

    What the PSP keeps was negotiated where it is not None: ``cost_bps`` hundredths of a percent and
    ``cost_fixed`` minor units.
    """

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
    cost_bps: int | None = None
    cost_fixed: int | None = None

    @property
    def endpoint(self) -> Endpoint:
        """How its PSP is reached."""
        return Endpoint(self.connector, self.credential_ref)

    def costs(self, stated: PspCosts) -> PspCosts:
        """What the PSP keeps; ``stated`` is what its connector knows."""
        if self.cost_bps is None and self.cost_fixed is None:
            return stated
        bps = stated.bps if self.cost_bps is None else self.cost_bps
        if self.cost_fixed is None:
            return replace(stated, bps=bps)
        return PspCosts(bps, fixed_default=self.cost_fixed)


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
