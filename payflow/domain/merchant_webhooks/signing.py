"""Secrets of webhook endpoints, and signatures by them.

Source: Standard Webhooks 1.0.0, https://github.com/standard-webhooks/standard-webhooks, "Signature scheme".
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from datetime import datetime

_PREFIX = "whsec_"


def secret(master_key: bytes, endpoint_id: str, generation: int) -> str:
    """The secret of a generation, as receivers are given it. Nothing stores it: it is derived."""
    return _PREFIX + base64.b64encode(_key(master_key, endpoint_id, generation)).decode()


def headers(
    master_key: bytes,
    endpoint_id: str,
    generations: Iterable[int],
    webhook_id: str,
    sent_at: datetime,
    body: bytes,
) -> dict[str, str]:
    """The three headers that a receiver verifies; one signature for each generation of the secret."""
    timestamp = str(int(sent_at.timestamp()))
    content = f"{webhook_id}.{timestamp}.".encode() + body
    keys = (_key(master_key, endpoint_id, generation) for generation in generations)
    signatures = (base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _key(master_key: bytes, endpoint_id: str, generation: int) -> bytes:
    return hmac.digest(master_key, f"{endpoint_id}|{generation}".encode(), "sha256")
