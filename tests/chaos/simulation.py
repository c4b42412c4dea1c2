"""A run from its seed to its evidence: a time with faults, then calm, then as long as it takes to rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any
from unittest.mock import patch

from tests.chaos import happenings
from tests.chaos.evidence import Evidence, Terms
from tests.chaos.resting import ask_again, calm_down, come_to_rest
from tests.chaos.world import World

STEPS_A_PAYMENT = 40
WORKERS = ("expediting", "recovery", "webhooks")
CHANCE: Mapping[str, float] = {}


class InTurn:
    """A ThreadPoolExecutor without threads: what is given to it is done at once, one after another."""

    def __init__(self, workers: int) -> None:
        pass

    def __enter__(self) -> InTurn:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """What comes of each."""
        return [work(item) for item in items]


def simulate(seed: int, payments: int, certain: Mapping[str, float] = CHANCE) -> Evidence:
    """Everything that is to be known of the run with this seed.

    ``certain`` has probabilities of Weather by their names; the others are drawn from the seed.
    """
    world = World(seed, certain, happenings.drawn, happenings.worker_recovers)
    with _in_one_thread(world):
        for _ in range(payments):
            world.new_shopper()
            for _ in range(STEPS_A_PAYMENT):
                world.step()
        calm_since = calm_down(world)
        come_to_rest(world)
        ask_again(world)
    return _evidence(world, calm_since)


@contextmanager
def _in_one_thread(world: World) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(world.clock.rules())
        stack.enter_context(patch("server.worker.expediting.ThreadPoolExecutor", InTurn))
        for name in WORKERS:
            stack.enter_context(patch(f"server.worker.{name}.side_by_side", world.in_turn))
        yield


def _evidence(world: World, calm_since: datetime) -> Evidence:
    networks = world.networks
    return Evidence(
        effects=[effect for network in networks.values() for effect in network.psp.effects],
        **world.database.rows(),
        psps={name: Terms(one.psp.kind.looks_up, one.psp.key_window) for name, one in networks.items()},
        calm_since=calm_since,
        asked=[asked for network in networks.values() for asked in network.asked],
        answered=world.answered,
        refused=[f"{webhook.intent_id}: {webhook.detail}" for webhook in world.post.parked],
        broken=[*world.broken, *world.post.defects],
    )
