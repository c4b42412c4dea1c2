"""Rows of the projections, to and from domain state. Column names are the state's field names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from payflow.domain.fees import FeeSchedule
from payflow.domain.ids import bucket_of
from payflow.domain.intent.state import (
    Attempt,
    AttemptState,
    CancellationReason,
    CaptureMethod,
    Operation,
    PaymentIntent,
    Refund,
)
from payflow.domain.intent.status import IntentStatus, RefundStatus
from payflow.domain.merchant.state import Merchant, Mode, PspAccount
from payflow.domain.psp_outcome import Advice, Failure, NextAction, OperationType
from payflow.domain.texts import Texts

Row = Mapping[str, Any]


def row_of(value: Any, **columns: Any) -> dict[str, Any]:
    """A dataclass as a row, with further or other ``columns``."""
    return {name: getattr(value, name) for name in value.__match_args__} | columns


def bucketed(value: Any, **columns: Any) -> dict[str, Any]:
    """A dataclass with a merchant_id as a row with its bucket."""
    merchant_id = columns.get("merchant_id") or value.merchant_id
    return row_of(value, **columns, bucket=bucket_of(merchant_id))


def binary(content: bytes | None) -> str | None:
    """Bytes as a bytea column reads them from JSON."""
    return None if content is None else f"\\x{content.hex()}"


def to_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as json_populate_recordset reads them."""
    return msgspec.json.encode(list(rows)).decode()


def texts_of(row: Row) -> Texts:
    """The free text that was joined to a row; there is none once it was erased."""
    return Texts(row["body"] or "", row["metadata"] or {})


def payment_intent(row: Row) -> PaymentIntent:
    """A row of payment_intents; columns that are not state are passed over."""
    values = {name: row[name] for name in PaymentIntent.__match_args__}
    values["status"] = IntentStatus(row["status"])
    values["capture_method"] = CaptureMethod(row["capture_method"])
    values["operation"] = _operation(row["operation"])
    values["next_action"] = NextAction(**row["next_action"]) if row["next_action"] else None
    values["failure"] = _failure(row["failure"])
    values["cancellation_reason"] = _cancellation_reason(row["cancellation_reason"])
    return PaymentIntent(**values)


def refund(row: Row) -> Refund:
    """A row of refunds."""
    values = {name: row[name] for name in Refund.__match_args__}
    values["status"] = RefundStatus(row["status"])
    values["failure"] = _failure(row["failure"])
    return Refund(**values)


def attempt(row: Row) -> Attempt:
    """A row of psp_attempts."""
    values = {name: row[name] for name in Attempt.__match_args__}
    values["operation"] = OperationType(row["operation"])
    values["state"] = AttemptState(row["state"])
    values["failure"] = _failure(row["failure"])
    return Attempt(**values)


def merchant(row: Row, psp_accounts: Iterable[PspAccount]) -> Merchant:
    """A row of merchants with its PSP accounts."""
    return Merchant(
        row["merchant_id"],
        row["name"],
        Mode(row["mode"]),
        row["slot"],
        row["version"],
        row["created_at"],
        row["updated_at"],
        {account.id: account for account in psp_accounts},
    )


def merchant_row(value: Merchant) -> dict[str, Any]:
    """A merchant as a row of merchants."""
    row = bucketed(value, merchant_id=value.id)
    del row["id"], row["psp_accounts"]
    return row


def psp_account(row: Row) -> PspAccount:
    """A row of psp_accounts."""
    return PspAccount(
        row["id"],
        row["merchant_id"],
        row["connector"],
        Mode(row["mode"]),
        FeeSchedule(row["fee_bps"], row["fee_fixed"]),
        row["credential_ref"],
        row["priority"],
        row["enabled"],
        row["version"],
        row["created_at"],
        row["updated_at"],
        row["cost_bps"],
        row["cost_fixed"],
    )


def psp_account_row(value: PspAccount) -> dict[str, Any]:
    """A PSP account as a row of psp_accounts."""
    row = row_of(value, fee_bps=value.fees.bps, fee_fixed=value.fees.fixed)
    del row["fees"]
    return row


def _operation(content: Row | None) -> Operation | None:
    if content is None:
        return None
    return Operation(
        OperationType(content["type"]),
        content["amount"],
        datetime.fromisoformat(content["since"]),
        content["attempt_id"],
        IntentStatus(content["resumes"]),
        _cancellation_reason(content["cancellation_reason"]),
        tuple(content.get("fallbacks", ())),
        tuple(content.get("fallback_costs", ())),
    )


def _failure(content: Row | None) -> Failure | None:
    if not content:
        return None
    return Failure(**{**content, "advice": Advice(content.get("advice", Advice.NEVER))})


def _cancellation_reason(content: str | None) -> CancellationReason | None:
    return CancellationReason(content) if content else None
