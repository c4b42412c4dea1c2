"""One chaos run: load with every fault on and processes that die, then calm, rest, and the audit."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.chaos.auditor import audit
from tests.chaos.evidence import Evidence, Finding
from tests.chaos.real.callers import ChaosCaller, Request
from tests.chaos.real.gathering import gather
from tests.chaos.real.resting import Rest, Resting
from tests.chaos.real.victims import Victims
from tests.databases import Database
from tests.payments import Caller
from tests.waiting import WAIT_S

CALLERS = 24
# The share of the payments behind which hardly anything is answered any more.
DARK_FROM = 0.93
# Of what was answered so many requests are sent again at the end.
ASKED_AGAIN_MAX = 3_000
HAPPENED = (
    "payment_intent.failed_over",
    "payment_intent.operation_aborted",
    "payment_intent.capture_reversed",
    "refund.reversed",
    "attempt.resumed",
    "attempt.outcome_unknown",
    "attempt.accepted",
    "attempt.parked",
    "attempt.strayed",
    "attempt.undone",
)


@dataclass(frozen=True, slots=True)
class Report:
    """What was done and what was found wrong."""

    seed: int
    evidence: Evidence
    findings: list[Finding]
    kills: Counter[str]
    deaths: Counter[str]
    errors: Counter[str]
    rest: Rest
    load_s: float
    rest_s: float

    @property
    def happened(self) -> Mapping[str, int]:
        """How often what is out of the ordinary happened, by the events' types."""
        types = Counter(event["type"] for event in self.evidence.events)
        return {name: types[name] for name in HAPPENED}

    def __str__(self) -> str:
        evidence, rest = self.evidence, self.rest
        statuses = Counter(intent["status"] for intent in evidence.intents)
        effects = Counter(effect.operation for effect in evidence.effects)
        return "\n".join(
            [
                f"chaos, PAYFLOW_CHAOS_SEED={self.seed}",
                f"payments         {len(evidence.intents)}: {dict(statuses)}",
                f"moved at PSPs    {len(evidence.effects)}: {dict(effects)}",
                f"PSPs lied        {sum(effect.confessed for effect in evidence.effects)} times",
                f"happened         {self.happened}",
                f"killed           {dict(self.kills)}, by themselves {dict(self.deaths)}",
                f"answers          {len(evidence.answered)}, errors {dict(self.errors)}",
                f"unknown          {rest.unknown} after the last fault, 0 after {rest.known_after_s} s",
                f"load, rest       {self.load_s:.0f} s, {self.rest_s:.0f} s",
                *(f"WRONG: {one.wrong}: {one.about} {one.shown_by}" for one in self.findings),
            ]
        )


def chaos(seed: int, payments: int, database: Database, directory: Path, redis_url: str) -> Report:
    """A run of so many payments on processes of its own."""
    began = time.monotonic()
    with Victims.running(database, directory, redis_url, seed) as victims, ExitStack() as channels:
        callers = [
            ChaosCaller(
                [channels.enter_context(Caller(address)) for address in victims.addresses],
                victims.simulators,
                random.Random(f"{seed}-{number}"),
            )
            for number in range(CALLERS)
        ]
        _load(seed, payments, victims, callers)
        loaded = time.monotonic()
        victims.clear_up()
        resting = Resting(victims.stack.environment, victims.simulators)
        channels.callback(resting.close)
        rest = resting.calm_down()
        resting.come_to_rest()
        _ask_again(callers, [(one, request) for one in callers for request in one.waiting])
        resting.come_to_rest()
        done = [(one, request) for one in callers for request in one.done]
        _ask_again(callers, random.Random(seed).sample(done, min(len(done), ASKED_AGAIN_MAX)))
        evidence = gather(
            database.owner_url,
            victims.simulators,
            rest.calm_since,
            (answer for one in callers for answer in one.answered),
            (error for one in callers for error in one.broken),
        )
        errors = sum((one.errors for one in callers), Counter[str]())
        kills, deaths = victims.kills, victims.deaths_by_point
    rested = time.monotonic()
    return Report(
        seed, evidence, audit(evidence), kills, deaths, errors, rest, loaded - began, rested - loaded
    )


def _load(seed: int, payments: int, victims: Victims, callers: list[ChaosCaller]) -> None:
    lit = int(payments * DARK_FROM)
    begun, dark = count(), count()
    over = threading.Event()
    with ThreadPoolExecutor(CALLERS + 1) as executor:
        torment = executor.submit(victims.torment, random.Random(seed), over.is_set)

        def wanted() -> bool:
            if next(begun) < lit or not (victims.have_suffered() or torment.done()):
                return True
            number = next(dark)
            if number == 0:
                victims.darken()
            return number < payments - lit

        try:
            for finished in [executor.submit(one.pay_while, wanted) for one in callers]:
                finished.result()
        finally:
            over.set()
        torment.result()


def _ask_again(callers: list[ChaosCaller], requests: list[tuple[ChaosCaller, Request]]) -> None:
    """Everybody asks at once; ``requests`` come with who had asked."""

    def ask(caller: ChaosCaller) -> None:
        for owner, request in requests:
            if owner is caller:
                caller.ask_again(request, give_up_at=time.monotonic() + WAIT_S)

    with ThreadPoolExecutor(CALLERS) as executor:
        for finished in [executor.submit(ask, one) for one in callers]:
            finished.result()
