"""Consumers of the published events, as workers run them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from payflow.events.consumer import Consumer
from payflow.events.consumer.applying import Handler
from payflow.events.consumer.kafka_source import KafkaSource
from payflow.events.consumer.redis_source import RedisSource
from payflow.events.consumer.source import Source
from server.config import Settings, required_database_url
from server.wiring import Core
from server.worker.loops import Loop

log = logging.getLogger(__name__)

EVERY_S = 0.5


def consuming(name: str, handler: Handler, core: Core, stops: Callable[[], bool]) -> list[Loop]:
    """The loop of one member of the consumer; none, and a line in the log, where there is no source."""
    source = source_of(core.settings, name)
    if source is None:
        log.info("%s does nothing: neither KAFKA_BROKERS nor REDIS_URL is set", name)
        return []
    conninfo = required_database_url(core.settings)
    consumer = Consumer(name, source, handler, conninfo, stops=stops, now=core.ports.clock.now)
    # Until nothing is found.
    return [Loop(name, consumer.work, EVERY_S, 1, consumer.close)]


def source_of(settings: Settings, consumer: str) -> Source | None:
    """Where the relay publishes: topic, or without Kafka stream. Each consumer is a group of its own."""
    group = f"{settings.kafka_consumer_group}.{consumer}"
    if settings.kafka_brokers:
        return KafkaSource(settings.kafka_brokers, settings.kafka_topic_payments, group)
    if settings.redis_url:
        return RedisSource(settings.redis_url, settings.kafka_topic_payments, group)
    return None
