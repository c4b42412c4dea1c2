"""What the tests of the gateway ask for again and again."""

from __future__ import annotations

from typing import Final

BODY_BYTES_MAX: Final = 100_000
INTENTS: Final = "/v1/payment_intents"
KEY: Final = {"Idempotency-Key": "test-1"}
VALIDATION_FAILED: Final = (400, "INVALID_ARGUMENT", "VALIDATION_FAILED")
