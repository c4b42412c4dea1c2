"""Events as older releases wrote them."""

from __future__ import annotations

from payflow.wire.events import BY_NAME

# What version 2 added.
ADDED = {
    "payment_intent.captured": ("currency", "psp_account_id"),
    "refund.succeeded": ("amount", "currency", "psp_account_id"),
}


def as_version_1(name: str, payload: bytes) -> bytes:
    """The bytes of an event of today's without what version 1 did not have."""
    message = BY_NAME[name].message.FromString(payload)
    for field in ADDED[name]:
        message.ClearField(field)
    return message.SerializeToString(deterministic=True)
