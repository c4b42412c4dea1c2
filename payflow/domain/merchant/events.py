"""What can happen to a merchant. Field names are those of proto/payflow/v1/events.proto."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.domain.merchant.state import Mode


@dataclass(frozen=True, slots=True)
class MerchantCreated:
    """A merchant was created."""

    name: str
    mode: Mode
    slot: int


@dataclass(frozen=True, slots=True)
class MerchantUpdated:
    """A merchant was changed."""

    name: str


@dataclass(frozen=True, slots=True)
class PspAccountCreated:
    """A PSP account was added."""

    psp_account_id: str
    connector: str
    fee_bps: int
    fee_fixed: int
    credential_ref: str
    priority: int
    cost_bps: int | None = None
    cost_fixed: int | None = None


@dataclass(frozen=True, slots=True)
class PspAccountUpdated:
    """A PSP account was changed; every field is as it is from now on."""

    psp_account_id: str
    fee_bps: int
    fee_fixed: int
    credential_ref: str
    priority: int
    enabled: bool
    cost_bps: int | None = None
    cost_fixed: int | None = None


MerchantEvent = MerchantCreated | MerchantUpdated | PspAccountCreated | PspAccountUpdated
