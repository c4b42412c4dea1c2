"""A topic, read from its beginning by somebody who is in no group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from confluent_kafka import Consumer, Message, TopicPartition

from payflow.events.cloud_event import from_wire
from payflow.events.published_event import PublishedEvent
from tests.relay.arrivals import Arrival, EventKey
from tests.waiting import WAIT_S

BATCH_MAX = 1_000
POLL_S = 0.5


class Topic:
    """``events`` has each event once, as it came first."""

    def __init__(self, consumer: Consumer, name: str, partitions: int) -> None:
        self.arrivals: list[Arrival] = []
        self.events: dict[EventKey, PublishedEvent] = {}
        self._consumer = consumer
        self._name = name
        self._read_up_to = dict.fromkeys(range(partitions), 0)
        consumer.assign([TopicPartition(name, number, 0) for number in range(partitions)])

    def read(self) -> int:
        """Reads on, and says how many events have come so far, each counted once."""
        for message in self._consumer.consume(BATCH_MAX, POLL_S):
            if message.error() is None:
                self._take(message)
        return len(self.events)

    def read_to_the_end(self) -> None:
        """Reads whatever the topic has by now. Raises KafkaException where the broker does not tell."""
        ends = {number: self._end(number) for number in self._read_up_to}
        while any(self._read_up_to[number] < end for number, end in ends.items()):
            self.read()

    def _end(self, partition: int) -> int:
        _, end = self._consumer.get_watermark_offsets(TopicPartition(self._name, partition), WAIT_S)
        return end

    def _take(self, message: Message) -> None:
        received = cast(list[tuple[str, bytes | None]], message.headers() or [])
        headers = {name: (content or b"").decode() for name, content in received}
        event = from_wire(headers, message.value() or b"")
        key = (event.merchant_id, event.aggregate_id, event.aggregate_version)
        partition = message.partition() or 0
        self._read_up_to[partition] = (message.offset() or 0) + 1
        self.arrivals.append(Arrival(partition, (message.key() or b"").decode(), key))
        self.events.setdefault(key, event)


@contextmanager
def read_topic(brokers: str, name: str, partitions: int) -> Iterator[Topic]:
    """The topic, not read yet."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "tests",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    try:
        yield Topic(consumer, name, partitions)
    finally:
        consumer.close()
