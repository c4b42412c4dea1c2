"""Reads the heads that were published, all of them: from a Kafka topic or from a Redis stream."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import cast

import redis
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from payflow.domain.proof.published_head import PublishedHead, from_json

TIMEOUT_S = 10.0
# Not all brokers that speak Kafka tell the true end of a log: it ends where nothing more comes, either.
SILENCE_S = 1.0
PAGE = 1_000


class HeadsUnreadableError(Exception):
    """Where heads are published does not answer."""


def in_kafka(brokers: str, topic: str) -> Iterator[PublishedHead]:
    """From the beginning to the end as it is now; none where there is no such topic.

    Raises HeadsUnreadableError, UnreadableHeadError.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "payflow-verify",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    try:
        found = consumer.list_topics(timeout=TIMEOUT_S).topics.get(topic)
        places = [
            TopicPartition(topic, number, OFFSET_BEGINNING) for number in (found.partitions if found else ())
        ]
        for value in _values(consumer, places):
            yield from_json(value)
    except KafkaException as error:
        raise HeadsUnreadableError(f"topic {topic}: {error}") from error
    finally:
        consumer.close()


def in_redis(url: str, stream: str) -> Iterator[PublishedHead]:
    """All that are there. Raises HeadsUnreadableError, UnreadableHeadError."""
    client = redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    after = "-"
    try:
        while page := _page(client, stream, after):
            for place, fields in page:
                yield from_json(fields[b"value"])
                after = f"({place.decode()}"
    except redis.RedisError as error:
        raise HeadsUnreadableError(f"stream {stream}: {error}") from error
    finally:
        client.close()


def _values(consumer: Consumer, places: Sequence[TopicPartition]) -> Iterator[bytes]:
    """Every message of the partitions. Raises KafkaException, HeadsUnreadableError."""
    missing = {place.partition: consumer.get_watermark_offsets(place, TIMEOUT_S) for place in places}
    missing = {partition: ends for partition, ends in missing.items() if ends[0] < ends[1]}
    consumer.assign([place for place in places if place.partition in missing])
    gives_up_at = time.monotonic() + TIMEOUT_S
    while True:
        message = consumer.poll(SILENCE_S)
        if message is not None:
            error = message.error()
            if error is not None:
                raise KafkaException(error)
            partition, offset = message.partition() or 0, message.offset() or 0
            if partition in missing and offset + 1 >= missing[partition][1]:
                del missing[partition]
            gives_up_at = time.monotonic() + TIMEOUT_S
            yield message.value() or b""
        elif not missing:
            return
        elif time.monotonic() > gives_up_at:
            raise HeadsUnreadableError("the topic's logs end before their ends")


def _page(client: redis.Redis, stream: str, after: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    # The client is typed for every way of decoding; this one does not decode.
    return cast("list[tuple[bytes, dict[bytes, bytes]]]", client.xrange(stream, after, count=PAGE))
