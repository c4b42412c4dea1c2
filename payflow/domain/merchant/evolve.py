"""Applies one event to a merchant. Replaying all of them from empty gives the same state."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from payflow.domain.fees import FeeSchedule
from payflow.domain.merchant.events import (
    MerchantCreated,
    MerchantEvent,
    MerchantUpdated,
    PspAccountCreated,
    PspAccountUpdated,
)
from payflow.domain.merchant.state import Merchant, PspAccount


def evolve(merchant: Merchant | None, merchant_id: str, event: MerchantEvent, at: datetime) -> Merchant:
    """The merchant behind one more event."""
    if isinstance(event, MerchantCreated):
        return Merchant(merchant_id, event.name, event.mode, event.slot, 1, at, at)
    if merchant is None:
        raise ValueError(f"{type(event).__name__} before MerchantCreated")
    version = merchant.version + 1
    if isinstance(event, MerchantUpdated):
        return replace(merchant, name=event.name, version=version, updated_at=at)
    account = _evolve_psp_account(merchant, event, version, at)
    accounts = {**merchant.psp_accounts, account.id: account}
    return replace(merchant, psp_accounts=accounts, version=version, updated_at=at)


def _evolve_psp_account(
    merchant: Merchant, event: PspAccountCreated | PspAccountUpdated, version: int, at: datetime
) -> PspAccount:
    fees = FeeSchedule(event.fee_bps, event.fee_fixed)
    if isinstance(event, PspAccountUpdated):
        return replace(
            merchant.psp_accounts[event.psp_account_id],
            fees=fees,
            credential_ref=event.credential_ref,
            priority=event.priority,
            enabled=event.enabled,
            cost_bps=event.cost_bps,
            cost_fixed=event.cost_fixed,
            version=version,
            updated_at=at,
        )
    return PspAccount(
        event.psp_account_id,
        merchant.id,
        event.connector,
        merchant.mode,
        fees,
        event.credential_ref,
        event.priority,
        True,
        version,
        at,
        at,
        event.cost_bps,
        event.cost_fixed,
    )
