"""Finds the merchant that a request is about."""

from __future__ import annotations

from dataclasses import replace

from payflow.commands.call import Call, commit
from payflow.commands.ports import Ports
from payflow.domain import fields
from payflow.domain.errors import invalid_field, not_found
from payflow.domain.folding.submission import Applied
from payflow.domain.ids import slot_of
from payflow.domain.merchant.commands import CreateMerchant
from payflow.domain.merchant.state import Merchant

FOREVER_S = float("inf")


def owner_of(ports: Ports, kind: str, identifier: str, merchant_id: str, deadline: float) -> str:
    """The merchant of a generated id. NOT_FOUND for a foreign merchant's, in the same words as for none."""
    slot = slot_of(identifier)
    owner = None if slot is None else ports.directory.merchant_id_of(slot, deadline)
    if owner is None or merchant_id not in ("", owner):
        raise not_found(kind, identifier)
    return owner


def required(merchant_id: str) -> str:
    """A merchant id that the caller has to give."""
    if not merchant_id:
        raise invalid_field("merchant_id", "is required")
    return fields.merchant_id(merchant_id)


def known(ports: Ports, call: Call, merchant_id: str) -> Merchant:
    """The merchant, made on first use in test mode where that is allowed."""
    deadline = FOREVER_S if call.deadline is None else call.deadline
    merchant = ports.directory.find(merchant_id, deadline)
    if merchant is not None:
        return merchant
    if not ports.creates_merchants:
        raise not_found("merchant", merchant_id)
    return _create(ports, call, merchant_id)


def _create(ports: Ports, call: Call, merchant_id: str) -> Merchant:
    keyless = replace(call, claim=None)
    command = CreateMerchant(merchant_id, if_missing=True, default_accounts=ports.default_accounts)
    applied = commit(ports, keyless, lambda _: command)
    assert isinstance(applied, Applied) and isinstance(applied.resource, Merchant)
    ports.directory.learn(applied.resource)
    return applied.resource
