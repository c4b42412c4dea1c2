"""The payment methods that the simulator knows, and what each of them makes happen.

docs/psp/simulator.md lists them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from payflow.psp.simulator.faults import Fault
from payflow.psp.simulator.latency import LATENCY_MAX_MS
from payflow.psp.simulator.reasons import DECLINES


class Challenge(Enum):
    """How it ends when the payer is asked to prove who they are."""

    PASSED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Method:
    """How a payment method behaves; without anything here all of its operations succeed at once.

    ``decline``, ``capture_decline`` and ``refund_decline`` are codes that these operations are declined
    with. ``fault`` meets the first authorization and every repeat of it, or only the first where it
    happens ``once``. ``late_success`` declines an authorization and carries it out later, ``deferred``
    accepts captures, cancels and refunds and carries them out later, or declines them in the end.
    A capture or refund that ``fails_later`` had succeeded.
    """

    decline: str = ""
    challenge: Challenge | None = None
    fault: Fault | None = None
    once: bool = False
    slow_s: float = 0.0
    late_success: bool = False
    deferred: bool = False
    capture_decline: str = ""
    refund_decline: str = ""
    capture_fails_later: bool = False
    refund_fails_later: bool = False

    def fault_at(self, count: int) -> Fault | None:
        """What meets the ``count``-th request with a reference, counted from 1."""
        return None if self.once and count > 1 else self.fault


PLAIN = Method()
INVALID = Method(decline="invalid_payment_method")

_FAULTS = {
    "pm_card_error_before": Fault.ERROR_BEFORE,
    "pm_card_error_after": Fault.ERROR_AFTER,
    "pm_card_reset_before": Fault.RESET_BEFORE,
    "pm_card_reset_after": Fault.RESET_AFTER,
    "pm_card_lost": Fault.TIMEOUT_BEFORE,
    "pm_card_timeout": Fault.TIMEOUT_AFTER,
    "pm_card_overloaded": Fault.OVERLOADED,
}

TOKENS = {
    "pm_card_visa": PLAIN,
    "pm_apple_pay": PLAIN,
    "pm_google_pay": PLAIN,
    "pm_card_declined": Method(decline="card_declined"),
    "pm_card_insufficient_funds": Method(decline="insufficient_funds"),
    **{f"pm_card_decline_{known_as}": Method(decline=code) for code, known_as in DECLINES.items()},
    "pm_card_3ds": Method(challenge=Challenge.PASSED),
    "pm_card_3ds_fails": Method(challenge=Challenge.FAILED),
    **{token: Method(fault=fault) for token, fault in _FAULTS.items()},
    **{f"{token}_once": Method(fault=fault, once=True) for token, fault in _FAULTS.items()},
    "pm_card_late_success": Method(late_success=True),
    "pm_card_deferred": Method(deferred=True),
    "pm_card_deferred_fails": Method(
        deferred=True, capture_decline="capture_rejected", refund_decline="refund_rejected"
    ),
    "pm_card_capture_declined": Method(capture_decline="capture_rejected"),
    "pm_card_refund_declined": Method(refund_decline="refund_rejected"),
    "pm_card_capture_fails_later": Method(capture_fails_later=True),
    "pm_card_refund_fails_later": Method(refund_fails_later=True),
}

_SLOW = re.compile(r"pm_card_slow_([1-9][0-9]{0,4})")


def method(token: str) -> Method:
    """The payment method behind a token; a token that nobody issued is declined."""
    slow = _SLOW.fullmatch(token)
    if slow and int(slow[1]) <= LATENCY_MAX_MS:
        return Method(slow_s=int(slow[1]) / 1_000)
    return TOKENS.get(token, INVALID)
