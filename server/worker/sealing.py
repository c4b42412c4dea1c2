"""Seals the ledger and publishes the heads of its blocks, leaving most of the time to those who write it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from prometheus_client import Counter, Gauge

from payflow.events.proof.heads import BATCH_MAX, HeadPublisher
from payflow.events.relay.kafka_publisher import KafkaPublisher
from payflow.events.relay.publisher import Publisher
from payflow.events.relay.redis_publisher import RedisPublisher
from payflow.store.database.read_pool import ReadPool
from payflow.store.proof.head_cursor import HeadCursor
from payflow.store.proof.lag import seal_lag
from payflow.store.proof.sealing import Sealer
from server.config import Settings, required_database_url
from server.ledger_keys import signing_key
from server.wiring import Core
from server.worker.loops import Loop
from server.worker.side_by_side import READ_TIMEOUT_S

log = logging.getLogger(__name__)

EVERY_S = 0.5
MEASURED_EVERY_S = 10.0
SHARE_MIN = 0.04
"""Of the time, for sealing, while it is not far behind."""
PATIENCE = timedelta(minutes=10)
"""Behind by more than that, sealing takes more time: twice as much for every further minute."""

KEPT_FOR_GOOD = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
ENTRIES_MAX = 100_000_000

SEALED = Counter("payflow_sealed_entries_total", "Ledger entries that were sealed in blocks.")
BLOCKS = Counter("payflow_sealed_blocks_total", "Blocks of the ledger's chains.")
LAG_S = Gauge(
    "payflow_seal_lag_seconds",
    "Age of the oldest event that may have booked something that is not sealed.",
    multiprocess_mode="max",
)
LAG_EVENTS = Gauge(
    "payflow_seal_lag_events",
    "Events that sealing has yet to look at; at most 1,000 are counted in a bucket.",
    multiprocess_mode="max",
)


def share(behind: timedelta) -> float:
    """The share of the time that sealing takes, by how old what it seals is."""
    doublings = max((behind - PATIENCE) / timedelta(minutes=1), 0)
    return float(min(SHARE_MIN * 2 ** min(doublings, 10), 1))


class Sealing:
    """Seals in short turns, and leaves the rest of the time to those who write."""

    def __init__(self, sealer: Sealer, now: Callable[[], datetime], stops: Callable[[], bool]) -> None:
        """``stops`` says that nothing new is to be begun."""
        self._sealer = sealer
        self._now = now
        self._stops = stops
        self._behind = timedelta()

    def round(self) -> int:
        """Seals until there is nothing left, or its share of EVERY_S is over; 1 where that is all of it."""
        share_now = share(self._behind)
        ends_at = time.monotonic() + share_now * EVERY_S
        while not self._stops():
            sealed = self._sealer.step()
            if sealed is None:
                self._behind = timedelta()
                return 0
            SEALED.inc(sealed.entries)
            BLOCKS.inc(sealed.transactions > 0)
            if sealed.until is not None:
                self._behind = self._now() - sealed.until
            if time.monotonic() >= ends_at:
                break
        return int(share_now == 1)

    def close(self) -> None:
        """Lets go of the database."""
        self._sealer.close()


def sealer(core: Core, stops: Callable[[], bool]) -> list[Loop]:
    """Seals the ledger in blocks, and publishes their heads."""
    key = signing_key(core.settings)
    if key is None:
        log.info("the ledger is not sealed: LEDGER_SIGNING_KEY is not set")
        return []
    conninfo, now = required_database_url(core.settings), core.ports.clock.now
    sealing = Sealing(Sealer(conninfo, key, now), now, stops)

    def measure() -> int:
        _measure_lag(core.pool, now())
        return 0

    return [
        Loop("sealing", sealing.round, EVERY_S, 1, sealing.close),
        Loop("lag of sealing", measure, MEASURED_EVERY_S, 1),
        *_heads(core.settings, conninfo, stops),
    ]


def _heads(settings: Settings, conninfo: str, stops: Callable[[], bool]) -> list[Loop]:
    open_publisher = _publisher_of(settings)
    if open_publisher is None:
        log.info("heads of the ledger are not published: neither KAFKA_BROKERS nor REDIS_URL is set")
        return []
    publisher = HeadPublisher(HeadCursor(conninfo, settings.ledger_heads_topic), open_publisher, stops)
    return [Loop("heads", publisher.round, EVERY_S, BATCH_MAX, publisher.close)]


def _publisher_of(settings: Settings) -> Callable[[], Publisher] | None:
    """Opens what heads are published with, to be kept for good; None where nothing is configured."""
    topic = settings.ledger_heads_topic
    if settings.kafka_brokers is not None:
        return partial(KafkaPublisher, settings.kafka_brokers, topic, topic_settings=KEPT_FOR_GOOD)
    if settings.redis_url is not None:
        return partial(RedisPublisher, settings.redis_url, topic, ENTRIES_MAX)
    return None


def _measure_lag(pool: ReadPool, now: datetime) -> None:
    """Sets the gauges."""
    lag = seal_lag(pool, time.monotonic() + READ_TIMEOUT_S)
    LAG_EVENTS.set(lag.events)
    LAG_S.set(max((now - lag.since).total_seconds(), 0) if lag.since else 0)
