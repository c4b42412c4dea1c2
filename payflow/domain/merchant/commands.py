"""What can be asked of a merchant."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.domain.fees import FeeSchedule
from payflow.domain.merchant.state import Mode


@dataclass(frozen=True, slots=True)
class DefaultAccount:
    """An account that a new merchant in test mode has from the start, with the usual fees."""

    psp_account_id: str
    connector: str
    credential_ref: str = ""
    priority: int = 100


@dataclass(frozen=True, slots=True)
class CreateMerchant:
    """Creates a merchant; with ``if_missing`` an existing one is left as it is.

    In test mode it gets ``default_accounts``, in live mode none.
    """

    merchant_id: str
    name: str = ""
    mode: Mode = Mode.TEST
    if_missing: bool = False
    default_accounts: tuple[DefaultAccount, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateMerchant:
    """Changes what is not None."""

    merchant_id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class CreatePspAccount:
    """Adds an account at a PSP."""

    merchant_id: str
    psp_account_id: str
    connector: str
    fees: FeeSchedule
    credential_ref: str = ""
    priority: int = 0
    cost_bps: int | None = None
    cost_fixed: int | None = None


@dataclass(frozen=True, slots=True)
class UpdatePspAccount:
    """Changes what is not None."""

    merchant_id: str
    psp_account_id: str
    fee_bps: int | None = None
    fee_fixed: int | None = None
    credential_ref: str | None = None
    priority: int | None = None
    enabled: bool | None = None
    cost_bps: int | None = None
    cost_fixed: int | None = None


MerchantCommand = CreateMerchant | UpdateMerchant | CreatePspAccount | UpdatePspAccount
