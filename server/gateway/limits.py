"""Every limit of the gateway that is not a setting."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.domain.webhook import BODY_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what callers can make the gateway hold.

    The body size of a call and the time for a whole request are settings. Webhooks have places of their own,
    so that a flood of them keeps no caller out. Bodies are read before a request
    takes one of the ``requests_in_flight_max`` places, so a slow sender keeps nobody else out; what
    bodies can hold together is ``connections_max`` times the body size.
    """

    requests_in_flight_max: int = 512
    webhooks_in_flight_max: int = 64
    webhook_bytes_max: int = BODY_BYTES_MAX
    connections_max: int = 1024
    head_bytes_max: int = 32_768
    head_timeout_s: float = 10
    body_timeout_s: float = 20
    keep_alive_timeout_s: int = 75
    discard_timeout_s: float = 2
    discard_bytes_max: int = 16_000_000
    ready_timeout_s: float = 2
    response_bytes_max: int = 64_000_000
