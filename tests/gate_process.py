"""A process that calls the simulated PSP through the gate, at the times and with the cards it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any
from uuid import uuid4

from payflow.domain.endpoint import Endpoint
from payflow.domain.psp_outcome import OperationType
from payflow.psp.connector import PspCall
from payflow.store.redis import optional_redis
from payflow.store.redis.optional_redis import OptionalRedis
from payflow.store.redis.rate_limiter import RateLimiter
from server.config import Settings
from server.connectors import load_connectors
from server.psp_gate import build_gate
from tests.waiting import WAIT_S

PROBE_TIMEOUT_S = 30.0
START = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
GOOD_CARD, LOST_ANSWER = "pm_card_visa", "pm_card_timeout"


class GateProcess:
    """The process as its test knows it. ``at_s`` is what time it is there, in seconds since START."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def admits(self, at_s: float, account: str = "") -> bool:
        """Whether the account would be called."""
        return bool(self._ask("admits", at_s, account))

    def enter(self, at_s: float, account: str = "") -> str:
        """Empty when a call may be made, or why not."""
        return str(self._ask("enter", at_s, account))

    def make(self, at_s: float, card: str, account: str = "") -> None:
        """Makes a call that may be made."""
        self._ask("make", at_s, account, card)

    def call(self, at_s: float, card: str, account: str = "") -> str:
        """Makes a call if that may be made; says why not otherwise."""
        code = self.enter(at_s, account)
        if not code:
            self.make(at_s, card, account)
        return code

    def close(self) -> None:
        """Lets the process end."""
        self._connection.send(None)

    def _ask(self, *command: Any) -> Any:
        self._connection.send(command)
        assert self._connection.poll(WAIT_S)
        return self._connection.recv()


@contextmanager
def gate_process(environment: dict[str, str]) -> Iterator[GateProcess]:
    """Ended behind it."""
    spawn = get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_run, args=(theirs, environment), daemon=True)
    process.start()
    theirs.close()
    handle = GateProcess(ours)
    try:
        yield handle
    finally:
        handle.close()
        process.join(WAIT_S)


class _ToldClock:
    def __init__(self) -> None:
        self.at_s = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.at_s)


def _run(connection: Connection, environment: dict[str, str]) -> None:
    # A busy machine is not taken for a Valkey that is away; one that is gone says so at once.
    optional_redis.TIMEOUT_S = WAIT_S
    optional_redis.REST_S = 0.05
    settings = Settings.from_environment(environment)
    assert settings.redis_url is not None
    redis = OptionalRedis(settings.redis_url, 4)
    connectors = load_connectors(environment)
    clock = _ToldClock()
    gate, breakers = build_gate(settings, connectors, redis, RateLimiter(redis), clock, PROBE_TIMEOUT_S)
    operation = OperationType.AUTHORIZE
    while (command := connection.recv()) is not None:
        action, clock.at_s, account, *more = command
        endpoint = Endpoint("simulator", account)
        match action:
            case "make":
                gate.leave(endpoint, operation, connectors["simulator"].execute(_authorization(more[0])))
                answer: object = None
            case _:
                answer = getattr(gate, action)(endpoint, operation)
        connection.send(answer)
    breakers.close()
    redis.close()
    connectors["simulator"].close()


def _authorization(card: str) -> PspCall:
    return PspCall(OperationType.AUTHORIZE, uuid4().hex, "shop", "acc", "", 1000, "USD", card)
