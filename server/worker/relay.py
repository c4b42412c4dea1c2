"""Puts the relay together: from the tables it reads to the topic or stream it publishes to."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from payflow.events.relay.kafka_publisher import KafkaPublisher
from payflow.events.relay.leases import Leases
from payflow.events.relay.progress import Progress
from payflow.events.relay.publisher import Publisher
from payflow.events.relay.redis_publisher import RedisPublisher
from payflow.events.relay.relay import Relay
from payflow.events.relay.topic_log import TopicLog
from payflow.store.database.pool import Pool
from payflow.store.relay.parts import RelayParts
from payflow.store.relay.pool import relay_pool
from payflow.store.relay.reader import RelayReader
from payflow.store.relay.topics import RelayTopics
from server.config import Settings, required_database_url
from server.wiring import Core
from server.worker.loops import Loop

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=5)
# Of one part and round. What is not published yet is in memory: 16 parts of 2 MB, and as much again as JSON.
EVENTS_MAX = 500
BYTES_MAX = 2_000_000
EVERY_S = 0.1
MEASURED_EVERY_S = 5.0


def relay(core: Core, stops: Callable[[], bool]) -> list[Loop]:
    """Publishes events, where there is a topic or a stream to publish them to."""
    open_publisher = publisher_of(core.settings)
    if open_publisher is None:
        log.info("events are not published: neither KAFKA_BROKERS nor REDIS_URL is set")
        return []
    pool = relay_pool(required_database_url(core.settings))
    pool.open()
    topic, clock = core.settings.kafka_topic_payments, core.ports.clock
    one = build_relay(pool, topic, open_publisher, clock.now, stops)

    def close() -> None:
        try:
            one.close()
        finally:
            pool.close()

    progress = Progress(core.pool, clock)
    return [
        Loop("relay", one.work, EVERY_S, 1, close),
        Loop("relay's lag", progress.measure, MEASURED_EVERY_S, 1),
    ]


def publisher_of(settings: Settings) -> Callable[[], Publisher] | None:
    """Opens what events are published with; None where nothing is configured."""
    topic = settings.kafka_topic_payments
    if settings.kafka_brokers is not None:
        return partial(KafkaPublisher, settings.kafka_brokers, topic)
    if settings.redis_url is not None:
        return partial(RedisPublisher, settings.redis_url, topic)
    return None


def build_relay(
    pool: Pool,
    topic: str,
    open_publisher: Callable[[], Publisher],
    now: Callable[[], datetime],
    stops: Callable[[], bool] = lambda: False,
    now_s: Callable[[], float] = time.monotonic,
    events_max: int = EVENTS_MAX,
) -> Relay:
    """A relay with a name of its own, from the tables that ``pool`` leads to; ``now_s`` only ever grows."""
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    parts = RelayParts(pool, name, LEASE)
    return Relay(
        pool=pool,
        parts=parts,
        reader=RelayReader(pool, events_max, BYTES_MAX),
        leases=Leases(parts, name, now_s),
        topic=TopicLog(RelayTopics(pool, topic), now_s),
        open_publisher=open_publisher,
        now=now,
        stops=stops,
        now_s=now_s,
    )
