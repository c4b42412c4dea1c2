"""Picks the PSP account for a payment."""

from __future__ import annotations

from payflow.domain.intent.state import PaymentIntent
from payflow.domain.merchant.state import Merchant, PspAccount


def by_priority(merchant: Merchant, intent: PaymentIntent) -> PspAccount | None:
    """The first enabled account; every account takes every payment."""
    enabled = (account for account in merchant.psp_accounts_by_priority() if account.enabled)
    return next(enabled, None)
