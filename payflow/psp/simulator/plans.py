"""What is to become of an operation, decided before it is carried out: by its token, or by chance."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.psp.simulator.behaviour import Behaviour
from payflow.psp.simulator.chance import Chance
from payflow.psp.simulator.requests import Operation
from payflow.psp.simulator.tokens import Challenge, Method


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of an operation that its payment's rules allow.

    With ``decline``, a code, it comes to that, otherwise it is carried out; ``late`` both only after
    another answer was given. ``fails_later`` takes back what was carried out.
    """

    decline: str = ""
    late: bool = False
    fails_later: bool = False


def authorization(behaviour: Behaviour, method: Method, chance: Chance, sale: bool) -> Plan:
    """The plan for a first authorization."""
    if method.decline:
        return Plan(decline=method.decline)
    if chance.happens("declined", behaviour.declines.probability):
        return Plan(decline=behaviour.declines.code(chance.share("declined with")))
    late = method.late_success or chance.happens("late success", behaviour.late_success.probability)
    return Plan(late=late, fails_later=sale and _capture_fails_later(behaviour, method, chance))


def confirmation(behaviour: Behaviour, method: Method, chance: Chance, sale: bool) -> Plan:
    """The plan for a payment whose payer has acted."""
    if method.challenge is Challenge.FAILED:
        return Plan(decline="challenge_failed")
    return Plan(fails_later=sale and _capture_fails_later(behaviour, method, chance))


def modification(operation: Operation, behaviour: Behaviour, method: Method, chance: Chance) -> Plan:
    """The plan for a capture, a cancel or a refund."""
    late = method.deferred or chance.happens("deferred", behaviour.deferred.probability)
    decline = _scripted_decline(operation, method)
    if not decline and late and chance.happens("fails in the end", behaviour.deferred.failing):
        decline = _REJECTED[operation]
    return Plan(decline, late, _fails_later(operation, behaviour, method, chance))


_REJECTED = {
    Operation.CAPTURE: "capture_rejected",
    Operation.CANCEL: "invalid_state",
    Operation.REFUND: "refund_rejected",
}


def _scripted_decline(operation: Operation, method: Method) -> str:
    if operation is Operation.CAPTURE:
        return method.capture_decline
    return method.refund_decline if operation is Operation.REFUND else ""


def _fails_later(operation: Operation, behaviour: Behaviour, method: Method, chance: Chance) -> bool:
    if operation is Operation.CAPTURE:
        return _capture_fails_later(behaviour, method, chance)
    if operation is Operation.REFUND:
        return method.refund_fails_later or chance.happens("fails later", behaviour.later_failures.refunds)
    return False


def _capture_fails_later(behaviour: Behaviour, method: Method, chance: Chance) -> bool:
    return method.capture_fails_later or chance.happens("fails later", behaviour.later_failures.captures)
