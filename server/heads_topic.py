"""Where the settings have the heads of the ledger's blocks published."""

from __future__ import annotations

from payflow.events.heads import HeadsTopic
from payflow.events.kafka_heads import KafkaHeads
from payflow.events.redis_heads import RedisHeads
from server.config import Settings


def heads_topic(settings: Settings) -> HeadsTopic | None:
    """In Kafka, in Redis where there is no Kafka, or nowhere."""
    topic = str(settings.kafka_topic_ledger_heads)
    if settings.kafka_brokers is not None:
        return KafkaHeads(settings.kafka_brokers, topic)
    if settings.redis_url is not None:
        return RedisHeads(settings.redis_url, topic)
    return None
