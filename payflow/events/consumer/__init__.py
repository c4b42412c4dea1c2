"""The library for writing consumers, as docs/events.md shows it."""

from payflow.events.consumer.applying import Handler
from payflow.events.consumer.consumer import Consumer, ConsumerLimits
from payflow.events.consumer.kafka_source import KafkaSource
from payflow.events.consumer.redis_source import RedisSource
from payflow.events.consumer.source import Message, Source
from payflow.events.published_event import PublishedEvent
from payflow.store.database.statement import DictConnection

__all__ = [
    "Consumer",
    "ConsumerLimits",
    "DictConnection",
    "Handler",
    "KafkaSource",
    "Message",
    "PublishedEvent",
    "RedisSource",
    "Source",
]
