"""What may happen in a world, and how often."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from payflow.commands.resolve_payment_intent import resolve_payment_intent
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import Approved, OperationType, Outcome
from server.worker.recovery import Recovery
from server.worker.side_by_side import background_call
from server.worker.webhooks import Webhooks
from tests.chaos.line import Network
from tests.chaos.psp import REJECTED
from tests.chaos.world import Step, World

PAUSES_S = (0.2, 1.0, 3.0, 8.0, 20.0)
LONG_S = (200.0, 1_000.0, 10_000.0, 100_000.0)
OUTAGES_S = (3.0, 30.0, 400.0, 4_000.0)
WEBHOOK_LEASE = timedelta(minutes=1)
# Whoever acts, acts on one of the last so many: what is long over is of no interest.
RECENT = 12
# Nobody cancels what was approved a moment ago, so that one notice does not overtake the other.
HEARD_OF_AFTER = timedelta(seconds=900)


def somebody_shops(world: World) -> None:
    world.nature.one_of(world.shoppers[-RECENT:]).step(world.server().ports)


def worker_recovers(world: World) -> None:
    Recovery(world.worker().ports, cast("Any", world.database)).attempts()


def worker_ends_what_expired(world: World) -> None:
    Recovery(world.worker().ports, cast("Any", world.database)).authorizations()


def worker_expedites(world: World) -> None:
    world.expediting().round()


def worker_hears(world: World) -> None:
    Webhooks(world.worker().ports, cast("Any", world.post), WEBHOOK_LEASE).due()


def time_passes(world: World) -> None:
    world.let_pass(world.nature.one_of(PAUSES_S))


def long_time_passes(world: World) -> None:
    world.let_pass(world.nature.one_of(LONG_S))


def operator_resolves(world: World) -> None:
    """Asks at once about one payment that has something open."""
    found = world.database.stuck()
    if found:
        intent = world.nature.one_of(found)
        resolve_payment_intent(world.server().ports, background_call("operator", intent.id), intent)


def psp_cancels(world: World) -> None:
    psp, heard_of = _network(world).psp, world.clock.now() - HEARD_OF_AFTER
    known = [payment for payment in psp.payments.values() if payment.approved_at <= heard_of]
    if known:
        psp.cancel_by_itself(world.nature.one_of(known[-RECENT:]))


def psp_goes_down(world: World) -> None:
    _network(world).down_until = world.clock.now() + timedelta(seconds=world.nature.one_of(OUTAGES_S))


def gate_shuts(world: World) -> None:
    _network(world).shut_until = world.clock.now() + timedelta(seconds=world.nature.one_of(OUTAGES_S))


def stranger_writes(world: World) -> None:
    """A notice that is true of a payment of somebody else's, who uses a reference of ours for it.

    It comes through another PSP account, or speaks of another amount.
    """
    psp = _network(world).psp
    calls = [execution.call for execution in list(psp.executions.values())[-RECENT:]]
    known = [call for call in calls if call.operation is not OperationType.CANCEL]
    if not known:
        return
    call = world.nature.one_of(known)
    outcome: Outcome = Approved("strange-1") if world.nature.happens(0.5) else REJECTED
    notice = Notice(call.operation, outcome, call.psp_key, "", call.amount, call.currency)
    came_through = world.nature.one_of(list(world.networks))
    if came_through == psp.kind.name:
        notice = replace(notice, amount=call.amount + 1)
    intent_id = call.psp_key.rpartition("-")[0]
    world.post.put(world.clock.now(), came_through, intent_id, lambda: notice, is_true=False)


def drawn(world: World) -> Step:
    """One of them."""
    weather = world.nature.weather
    weights: dict[Step, float] = {
        somebody_shops: 10,
        worker_hears: 4,
        worker_recovers: 2,
        worker_expedites: 0.5,
        worker_ends_what_expired: 0.2,
        time_passes: 2,
        long_time_passes: 5 * weather.long_wait,
        operator_resolves: 20 * weather.resolved,
        psp_cancels: 10 * weather.canceled_by_psp,
        psp_goes_down: 20 * weather.outage,
        gate_shuts: 20 * weather.gate_shut,
        stranger_writes: 5 * weather.strangers,
    }
    [step] = world.nature.chance.choices(list(weights), list(weights.values()))
    return step


def _network(world: World) -> Network:
    return world.nature.one_of(list(world.networks.values()))
