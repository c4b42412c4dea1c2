"""Columns by name, so that a release keeps working when a later migration adds one.

The projections of payments have a column for each field of the state, under its name.
"""

from __future__ import annotations

from typing import Any


def columns_of(state: Any, alias: str) -> str:
    """The columns of a dataclass's fields, as a SELECT names them."""
    return ", ".join(f"{alias}.{name}" for name in state.__match_args__)


MERCHANT = "merchant_id, slot, name, mode, version, created_at, updated_at"
PSP_ACCOUNT = (
    "id, merchant_id, connector, mode, fee_bps, fee_fixed, credential_ref, priority, enabled, version, "
    "created_at, updated_at, cost_bps, cost_fixed"
)
