"""What an operator can change about a running simulator; docs/psp/simulator.md explains each setting."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from payflow.psp.simulator.faults import Faults, Probability
from payflow.psp.simulator.latency import Latency, NoLatency
from payflow.psp.simulator.reasons import DECLINES

CLOCK_OFFSET_MAX_S = 10 * 366 * 86_400
HANG_MAX_S = 600
OUTAGES_MAX = 100

Duration = Annotated[float, Meta(ge=0, le=CLOCK_OFFSET_MAX_S)]
Weight = Annotated[float, Meta(gt=0, le=1_000_000)]
Instant = Annotated[datetime, Meta(tz=True)]


class Declines(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The share of authorizations that are declined, and the codes that share it by their weights."""

    probability: Probability = 0.0
    codes: Annotated[dict[str, Weight], Meta(min_length=1)] = field(
        default_factory=lambda: {"card_declined": 1.0}
    )

    def __post_init__(self) -> None:
        if unknown := sorted(self.codes.keys() - DECLINES.keys()):
            raise ValueError(f"expected codes such as acquirer_error, not {', '.join(unknown)}")

    def code(self, share: float) -> str:
        """The code that ``share`` (from 0 up to 1) falls to."""
        left = share * sum(self.codes.values())
        for code, weight in sorted(self.codes.items()):
            if left < weight:
                return code
            left -= weight
        return max(self.codes)


class LateSuccess(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The share of authorizations that are declined as ``acquirer_error``, and executed ``after_s`` later."""

    probability: Probability = 0.0
    after_s: Duration = 1.0


class Deferred(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The share of captures, cancels and refunds that are accepted, and carried out ``after_s`` later.

    ``failing`` is the share of these that are declined then.
    """

    probability: Probability = 0.0
    failing: Probability = 0.0
    after_s: Duration = 1.0


class LaterFailures(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The share of captures and of refunds that succeed, and fail ``after_s`` later."""

    captures: Probability = 0.0
    refunds: Probability = 0.0
    after_s: Duration = 1.0


class Outage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A time on the simulator's clock in which it answers 503, or closes connections without a word."""

    starts_at: Instant
    ends_at: Instant
    how: Literal["unavailable", "closed"] = "unavailable"

    def __post_init__(self) -> None:
        if self.starts_at >= self.ends_at:
            raise ValueError("expected starts_at before ends_at")


class Webhooks(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The share of webhooks to which each of these happens.

    ``duplicated`` ones come twice, ``delayed`` ones up to ``delay_s`` late, ``reordered`` ones behind the
    payment's next one or after ``delay_s``, ``dropped`` ones never; only those are dropped whose news
    a look-up would bring that somebody has a reason for. For the others one more comes that must not be
    believed: ``forged`` (a wrong signature), ``altered`` (another body than was signed), ``stale`` and
    ``future`` (signed an hour ago, an hour from now).
    """

    duplicated: Probability = 0.0
    delayed: Probability = 0.0
    reordered: Probability = 0.0
    dropped: Probability = 0.0
    forged: Probability = 0.0
    altered: Probability = 0.0
    stale: Probability = 0.0
    future: Probability = 0.0
    delay_s: Duration = 5.0


class Behaviour(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings that last until they are changed or the process ends.

    ``seed`` decides what happens by chance. ``key_window_s``: how long a key is remembered.
    ``authorization_ttl_s``: how long an authorization holds. ``latency``: half of it goes by before a
    request is executed, half behind. ``hang_s``: every operation, look-up and shut-out is answered so
    long after it was done. ``clock_offset_s`` turns the simulator's clock ahead.
    """

    seed: Annotated[int, Meta(ge=0)] = 0
    key_window_s: Duration = 86_400.0
    authorization_ttl_s: Duration = 7 * 86_400.0
    hang_s: Annotated[float, Meta(ge=0, le=HANG_MAX_S)] = 0.0
    clock_offset_s: Duration = 0.0
    latency: Latency = NoLatency()
    faults: Faults = Faults()
    declines: Declines = field(default_factory=Declines)
    late_success: LateSuccess = LateSuccess()
    deferred: Deferred = Deferred()
    later_failures: LaterFailures = LaterFailures()
    outages: Annotated[tuple[Outage, ...], Meta(max_length=OUTAGES_MAX)] = ()
    webhooks: Webhooks = Webhooks()

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

    def outage_at(self, now: datetime) -> Outage | None:
        """The outage at ``now``, which is a time on the simulator's clock."""
        return next((outage for outage in self.outages if outage.starts_at <= now < outage.ends_at), None)
