"""decide(state, command) -> events, for merchants and their PSP accounts. Pure."""

from __future__ import annotations

from typing import TypeVar

from payflow.domain.errors import PayFlowError, Reason, invalid_field, not_found
from payflow.domain.fees import FeeSchedule
from payflow.domain.ids import slot_candidates
from payflow.domain.merchant.commands import (
    CreateMerchant,
    CreatePspAccount,
    DefaultAccount,
    MerchantCommand,
    UpdateMerchant,
    UpdatePspAccount,
)
from payflow.domain.merchant.events import (
    MerchantCreated,
    MerchantEvent,
    MerchantUpdated,
    PspAccountCreated,
    PspAccountUpdated,
)
from payflow.domain.merchant.state import Merchant, Mode, PspAccount

SIMULATOR = "simulator"
PSP_ACCOUNTS_MAX = 20

Field = TypeVar("Field")


def decide(
    merchant: Merchant | None, command: MerchantCommand, taken_slots: frozenset[int]
) -> tuple[MerchantEvent, ...]:
    """What a command makes happen. ``taken_slots`` are those of other merchants, or it may take any."""
    if isinstance(command, CreateMerchant):
        return _create(merchant, command, taken_slots)
    if merchant is None:
        raise not_found("merchant", command.merchant_id)
    if isinstance(command, UpdateMerchant):
        return (MerchantUpdated(merchant.name if command.name is None else command.name),)
    if isinstance(command, CreatePspAccount):
        return (_create_psp_account(merchant, command),)
    return (_update_psp_account(merchant.psp_account(command.psp_account_id), command),)


def _create(
    merchant: Merchant | None, command: CreateMerchant, taken_slots: frozenset[int]
) -> tuple[MerchantEvent, ...]:
    if merchant is not None:
        if command.if_missing:
            return ()
        raise PayFlowError(Reason.MERCHANT_EXISTS, f"merchant {merchant.id!r} exists", subject=merchant.id)
    free = [slot for slot in slot_candidates(command.merchant_id) if slot not in taken_slots]
    if not free:
        raise PayFlowError(Reason.LIMIT_REACHED, "no identifier space is left for this merchant_id")
    created = MerchantCreated(command.name, command.mode, free[0])
    if command.mode is Mode.LIVE:
        return (created,)
    return (created, *map(_default_account, command.default_accounts))


def _default_account(account: DefaultAccount) -> PspAccountCreated:
    fees = FeeSchedule()
    return PspAccountCreated(
        account.psp_account_id,
        account.connector,
        fees.bps,
        fees.fixed,
        account.credential_ref,
        account.priority,
    )


def _create_psp_account(merchant: Merchant, command: CreatePspAccount) -> PspAccountCreated:
    if command.psp_account_id in merchant.psp_accounts:
        raise PayFlowError(
            Reason.PSP_ACCOUNT_EXISTS,
            f"PSP account {command.psp_account_id!r} exists",
            subject=command.psp_account_id,
        )
    if len(merchant.psp_accounts) >= PSP_ACCOUNTS_MAX:
        raise PayFlowError(Reason.LIMIT_REACHED, f"a merchant has at most {PSP_ACCOUNTS_MAX} PSP accounts")
    if merchant.mode is Mode.LIVE and command.connector == SIMULATOR:
        raise invalid_field("connector", "must not be the simulator for a live merchant")
    return PspAccountCreated(
        command.psp_account_id,
        command.connector,
        command.fees.bps,
        command.fees.fixed,
        command.credential_ref,
        command.priority,
        command.cost_bps,
        command.cost_fixed,
    )


def _update_psp_account(account: PspAccount, command: UpdatePspAccount) -> PspAccountUpdated:
    return PspAccountUpdated(
        account.id,
        _given(command.fee_bps, account.fees.bps),
        _given(command.fee_fixed, account.fees.fixed),
        _given(command.credential_ref, account.credential_ref),
        _given(command.priority, account.priority),
        _given(command.enabled, account.enabled),
        _given(command.cost_bps, account.cost_bps),
        _given(command.cost_fixed, account.cost_fixed),
    )


def _given(new: Field | None, old: Field) -> Field:
    return old if new is None else new
