"""How a world comes to rest: faults end, workers and operators go on until nothing is left to be done."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from payflow.commands.resolve_payment_intent import resolve_payment_intent
from payflow.domain.intent.state import PaymentIntent
from server.worker.side_by_side import background_call
from tests.chaos.clock import TICK
from tests.chaos.happenings import (
    worker_ends_what_expired,
    worker_expedites,
    worker_hears,
    worker_recovers,
)
from tests.chaos.shoppers import Request, Shopper
from tests.chaos.weather import CALM
from tests.chaos.world import World

# As server.worker.payments has it.
EXPEDITING_EVERY_S = 15
OPERATORS_LOOK_AFTER_S = 20
CALM_S = 60
RESTS_WITHIN = timedelta(days=60)
OPERATORS_ROUNDS = 3
# Far more than it takes; only what goes round in circles comes to so many.
MOMENTS_MAX = 500


def calm_down(world: World) -> datetime:
    """Ends every fault and lets the first minute pass; says when it began."""
    world.nature.weather = CALM
    calm_since = world.clock.now()
    for network in world.networks.values():
        network.down_until = network.shut_until = calm_since
    for second in range(CALM_S):
        if not world.database.stuck() and world.post.next_at is None:
            break
        world.go_to(calm_since + timedelta(seconds=second))
        _work(world)
        if second % EXPEDITING_EVERY_S == 0:
            world.perform(worker_expedites)
        if second == OPERATORS_LOOK_AFTER_S:
            _look_after_what_is_parked(world)
    return calm_since


def come_to_rest(world: World) -> None:
    """From one moment at which something is due to the next, until there is none."""
    ends_at = world.clock.now() + RESTS_WITHIN
    for _ in range(OPERATORS_ROUNDS):
        for _ in range(MOMENTS_MAX):
            next_at = _next_at(world)
            if next_at is None or next_at > ends_at:
                break
            world.go_to(next_at)
            _work(world)
            world.perform(worker_expedites)
        _undo_by_hand(world)
        _look_after_what_is_parked(world)


def ask_again(world: World) -> None:
    """Callers who wait are answered, and then everybody sends again whatever was answered."""
    for shopper in world.shoppers:
        if shopper.waiting is not None:
            world.perform(partial(_sends, shopper, shopper.waiting))
    come_to_rest(world)
    for shopper in world.shoppers:
        for request in shopper.done:
            world.perform(partial(_sends, shopper, request))


def _work(world: World) -> None:
    """Everything that the worker finds to do now."""
    while world.post.next_at is not None and world.post.next_at <= world.clock.now():
        world.perform(worker_hears)
    world.perform(worker_recovers)
    world.perform(worker_ends_what_expired)


def _next_at(world: World) -> datetime | None:
    all_due = (world.post.next_at, world.database.next_due_at(), world.psps_act_at())
    due = [instant for instant in all_due if instant is not None]
    return max(min(due), world.clock.now() + TICK) if due else None


def _look_after_what_is_parked(world: World) -> None:
    """An operator asks about every call that is parked, and has notices that were parked tried again."""
    world.post.retry_parked(world.clock.now())
    parked = {attempt.payment_intent_id for attempt in world.database.parked()}
    for intent in [one for one in world.database.stuck() if one.id in parked]:
        world.perform(partial(_resolves, intent))


def _sends(shopper: Shopper, request: Request, world: World) -> None:
    shopper.send(world.server().ports, request)


def _resolves(intent: PaymentIntent, world: World) -> None:
    resolve_payment_intent(world.server().ports, background_call("operator", intent.id), intent)


def _undo_by_hand(world: World) -> None:
    """What PayFlow could not undo, an operator does in the PSP's own dashboard."""
    for attempt in world.database.parked():
        psp = world.networks[attempt.psp_account_id].psp
        if attempt.undoes and attempt.psp_payment_id in psp.payments:
            psp.undo_by_itself(psp.payments[attempt.psp_payment_id])
