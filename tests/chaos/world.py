"""A world in which payments are made: two merchants, two PSPs, two servers and a worker.

It runs in one thread. Where a use case waits, others act: steps within steps, as deep as DEPTH_MAX. So what
is inside ends before what is around it goes on, as with threads of which the last to start ends first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from payflow.domain.errors import PayFlowError
from payflow.domain.fees import FeeSchedule
from payflow.domain.folding.submission import Origin, Refused, Submission
from payflow.domain.ids import command_id, slot_of
from payflow.domain.merchant.commands import CreateMerchant, CreatePspAccount, MerchantCommand
from payflow.domain.merchant.state import Mode
from server.worker.expediting import Expediting
from tests.chaos.clock import SimulatedClock
from tests.chaos.database import Database
from tests.chaos.evidence import Answered
from tests.chaos.line import Network
from tests.chaos.nature import Nature
from tests.chaos.post import Post
from tests.chaos.processes import Died, Process
from tests.chaos.psp import Psp
from tests.chaos.psp_kinds import NORTH, SOUTH, PspKind
from tests.chaos.shoppers import Shopper
from tests.chaos.weather import Climate

DEPTH_MAX = 3
SERVERS = ("server-1", "server-2")
WORKER = "worker"
MERCHANTS = ("shop", "stall")
SLEEPS_S = (16.0, 60.0, 4_000.0)

Step = Callable[["World"], object]


class World:
    """Everybody in it; ``next_step`` draws what happens next, ``wake_up`` what does when somebody slept."""

    def __init__(
        self, seed: int, certain: Mapping[str, float], next_step: Callable[[World], Step], wake_up: Step
    ) -> None:
        """``certain`` weather is not left to chance."""
        chance = random.Random(seed)
        climate = Climate.drawn(chance, certain)
        self.nature = Nature(SimulatedClock(), chance, climate.weather)
        self.clock = self.nature.clock
        self.database = Database(self.clock)
        self.post = Post(self.nature, self._owner_of)
        self.networks = {kind.name: self._network(kind, climate) for kind in (NORTH, SOUTH)}
        self.shoppers: list[Shopper] = []
        self.answered: list[Answered] = []
        self.broken: list[str] = []
        self._next_step = next_step
        self._wake_up = wake_up
        self._processes: dict[str, Process] = {}
        self._expediting: dict[Process, Expediting] = {}
        self._depth = 0
        for merchant_id in MERCHANTS:
            self._add_merchant(merchant_id)

    def step(self) -> None:
        """One of the things that may happen now."""
        self.perform(self._next_step(self))

    def perform(self, step: Step) -> None:
        """One thing, to its end or its process's."""
        self._depth += 1
        try:
            step(self)
        except (Died, PayFlowError):
            return
        except Exception as error:
            self._note_broken(error)
        finally:
            self._depth -= 1

    def in_turn(self, tasks: Sequence[Callable[[], None]], stops: Callable[[], bool]) -> None:
        """What workers do side by side."""
        for task in tasks:
            try:
                task()
            except PayFlowError:
                continue
            except Exception as error:
                self._note_broken(error)

    def moment(self, process: Process) -> None:
        """A moment at which ``process`` waits: others act, it may sleep for long, and it may die."""
        weather = self.nature.weather
        self.clock.forward()
        self._psps_act()
        if self._depth < DEPTH_MAX and self.nature.happens(weather.meanwhile):
            self.step()
        if self.nature.happens(weather.sleep):
            self.let_pass(self.nature.one_of(SLEEPS_S))
            if self._depth < DEPTH_MAX:
                self.perform(self._wake_up)
        if self.nature.happens(weather.crash):
            process.is_dead = True

    def let_pass(self, seconds: float) -> None:
        """Lets time pass; PSPs do what is due when it is due, and not only at the end."""
        self.go_to(self.clock.now() + timedelta(seconds=seconds))

    def go_to(self, instant: datetime) -> None:
        """Lets time pass until then, if it has not yet."""
        while (due_at := self.psps_act_at()) is not None and due_at <= instant:
            self.clock.go_to(due_at)
            self._psps_act()
        self.clock.go_to(instant)

    def psps_act_at(self) -> datetime | None:
        """When a PSP does something next."""
        due = (network.psp.agenda[0][0] for network in self.networks.values() if network.psp.agenda)
        return min(due, default=None)

    def server(self) -> Process:
        """Any of the servers."""
        return self._alive(self.nature.one_of(SERVERS))

    def worker(self) -> Process:
        """The worker."""
        return self._alive(WORKER)

    def expediting(self) -> Expediting:
        """What the worker remembers from round to round."""
        worker = self.worker()
        return self._expediting.setdefault(worker, Expediting(worker.ports))

    def new_shopper(self) -> None:
        """One more payment is wanted."""
        number, merchant_id = len(self.shoppers) + 1, self.nature.one_of(MERCHANTS)
        self.shoppers.append(Shopper(number, merchant_id, self.nature, self.answered))

    def _alive(self, name: str) -> Process:
        if name not in self._processes or self._processes[name].is_dead:
            self._processes[name] = Process(self.database, self.networks, self.nature, self.moment)
        return self._processes[name]

    def _network(self, kind: PspKind, climate: Climate) -> Network:
        psp = Psp(kind, self.nature, kind.key_window or climate.key_window, self.post)
        return Network(psp, self.nature)

    def _psps_act(self) -> None:
        for network in self.networks.values():
            network.psp.act()

    def _owner_of(self, intent_id: str) -> str:
        slot = slot_of(intent_id)
        assert slot is not None
        return self.database.merchant_id_of(slot)

    def _add_merchant(self, merchant_id: str) -> None:
        self._commit(CreateMerchant(merchant_id, mode=Mode.LIVE))
        for priority, name in enumerate(self.networks):
            fees = FeeSchedule(300 + 33 * priority, priority)
            self._commit(CreatePspAccount(merchant_id, name, name, fees, "", priority))

    def _commit(self, command: MerchantCommand) -> None:
        identifier = command_id(self.clock.now(), self.nature.chance.randbytes(10))
        submission = Submission(command, identifier, self.clock.now(), Origin("operator", "chaos"))
        result, _ = self.database.commit(submission)
        assert not isinstance(result, Refused), result

    def _note_broken(self, error: Exception) -> None:
        self.broken.append(f"{type(error).__name__}: {error}")
