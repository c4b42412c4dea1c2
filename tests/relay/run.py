"""One run: load, kills and troubles, then everything that was committed held against what came of it."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from google.protobuf.json_format import Parse
from psycopg.rows import class_row

from payflow.domain.stored_event import StoredEvent
from payflow.events.published_event import PublishedEvent
from payflow.wire.events import BY_NAME
from tests.databases import Database
from tests.relay import absorber
from tests.relay.arrivals import EventKey, examine
from tests.relay.brokers import PARTITIONS, TOPIC, running_broker
from tests.relay.load import load_on
from tests.relay.topic import Topic, read_topic
from tests.relay.victims import Victims
from tests.waiting import POLL_S, WAIT_S

KILLS = 20
BROKER_ENDS = 5
ABSORBER_KILLS = 5
# Nothing new for so long means that there will be nothing more; a machine that is slow and busy does not
# take it.
AT_REST_S = WAIT_S

COMMITTED = """
    SELECT merchant_id, aggregate_id, aggregate_version, type, schema_version, payload, occurred_at,
           actor, correlation_id, causation_id, traceparent
    FROM events
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """``events`` is how many there are at least, ``broker`` one of the names in tests.relay.brokers."""

    seed: int
    events: int
    broker: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was done and what was found wrong."""

    seed: int
    committed: int
    arrivals: int
    duplicates: int
    effects: int
    kills: Counter[str]
    troubles: Counter[str]
    cuts: int
    load_s: float
    rest_s: float
    wrong: list[str]

    def __str__(self) -> str:
        return "\n".join(
            [
                f"relays killed, PAYFLOW_RELAY_SEED={self.seed}",
                f"events committed      {self.committed}",
                f"records on the topic  {self.arrivals}, {self.duplicates} of them duplicates",
                f"effects of the inbox  {self.effects}",
                f"kills                 {dict(self.kills)}",
                f"troubles              {dict(self.troubles)}, {self.cuts} connections cut",
                f"load, the rest        {self.load_s:.0f} s, {self.rest_s:.0f} s",
                *(f"WRONG: {one}" for one in self.wrong),
            ]
        )


def run(plan: Plan, database: Database, directory: Path) -> Report:
    """Runs a plan on processes of its own."""
    decisions = random.Random(plan.seed)
    absorber.prepare(database)
    began = time.monotonic()
    with (
        running_broker(plan.broker, directory) as broker,
        Victims.running(database, directory, broker) as victims,
        load_on(victims.addresses) as load,
        read_topic(broker.addresses, TOPIC, PARTITIONS) as topic,
    ):
        for number in range(KILLS):
            load.add(plan.events // KILLS, decisions)
            broker.trouble(decisions)
            victims.kill_a_relay(decisions)
            if number % (KILLS // ABSORBER_KILLS) == 0:
                victims.kill_the_absorber(decisions)
            if number % (KILLS // BROKER_ENDS) == 1:
                broker.end_and_start(decisions)
        load.finish()
        broker.calm_down()
        loaded = time.monotonic()
        committed = _committed(database)
        _wait_until_at_rest(topic.read, len(committed))
        _wait_until_at_rest(lambda: absorber.absorbed(database), len(committed))
        topic.read_to_the_end()
        effects = absorber.absorbed(database)
    findings = examine(topic.arrivals, committed)
    wrong = [*findings.wrong, *_altered(topic, committed), *absorber.faults(database)]
    return Report(
        plan.seed,
        len(committed),
        len(topic.arrivals),
        findings.duplicates,
        effects,
        victims.kills,
        broker.troubles,
        broker.proxy.cuts,
        loaded - began,
        time.monotonic() - loaded,
        wrong,
    )


def _wait_until_at_rest(count: Callable[[], int], wanted: int) -> None:
    """Until there are so many, or there are no more."""
    last, gives_up_at = 0, time.monotonic() + AT_REST_S
    while (found := count()) < wanted and time.monotonic() < gives_up_at:
        if found > last:
            last, gives_up_at = found, time.monotonic() + AT_REST_S
        time.sleep(POLL_S)


def _committed(database: Database) -> dict[EventKey, StoredEvent]:
    with psycopg.connect(database.owner_url, row_factory=class_row(StoredEvent)) as connection:
        events = connection.execute(COMMITTED).fetchall()
    return {(one.merchant_id, one.aggregate_id, one.aggregate_version): one for one in events}


def _altered(topic: Topic, committed: Mapping[EventKey, StoredEvent]) -> list[str]:
    """Events whose message came over the wire as another one."""
    both = [(topic.events[key], committed[key]) for key in topic.events.keys() & committed.keys()]
    altered = [came.id for came, stored in both if _came(came) != _stored(stored)]
    return [f"{len(altered)} altered, such as {altered[0]}"] if altered else []


def _came(event: PublishedEvent) -> Any:
    return Parse(event.data, BY_NAME[event.type].message())


def _stored(event: StoredEvent) -> Any:
    message = BY_NAME[event.type].message()
    message.ParseFromString(event.payload)
    return message
