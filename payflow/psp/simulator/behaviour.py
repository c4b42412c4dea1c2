"""What an operator can change about a running simulator."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct

CLOCK_OFFSET_MAX_S = 10 * 366 * 86_400
HANG_MAX_S = 600

Duration = Annotated[float, Meta(ge=0, le=CLOCK_OFFSET_MAX_S)]


class Behaviour(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings that last until they are changed or the process ends.

    ``key_window_s``: how long a key is remembered. ``authorization_ttl_s``: how long an authorization
    holds. ``hang_s``: every operation, look-up and shut-out is done at once and answered only after so
    long. ``clock_offset_s`` turns the simulator's clock ahead.
    """

    key_window_s: Duration = 86_400.0
    authorization_ttl_s: Duration = 7 * 86_400.0
    hang_s: Annotated[float, Meta(ge=0, le=HANG_MAX_S)] = 0.0
    clock_offset_s: Duration = 0.0

    @property
    def key_window(self) -> timedelta:
        """``key_window_s`` as a span of time."""
        return timedelta(seconds=self.key_window_s)

    @property
    def authorization_ttl(self) -> timedelta:
        """``authorization_ttl_s`` as a span of time."""
        return timedelta(seconds=self.authorization_ttl_s)

    @property
    def clock_offset(self) -> timedelta:
        """``clock_offset_s`` as a span of time."""
        return timedelta(seconds=self.clock_offset_s)
