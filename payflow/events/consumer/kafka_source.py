"""Messages of a Kafka topic, for one member of a consumer group.

Rebalancing is cooperative: a member that comes or goes stops only the partitions that move. Offsets are
committed behind the batch and without waiting for it; whoever takes over a partition before that gets what
the inbox then knows.
"""

from __future__ import annotations

import logging
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from payflow.events.consumer.source import Message

log = logging.getLogger(__name__)

# A member that dies is missed after this time.
SESSION_S = 10.0
# A topic that does not exist yet is looked for so often.
METADATA_EVERY_MS = 5_000


class KafkaSource:
    """Fulfils payflow.events.consumer.source.Source; begins at the oldest message that there is."""

    def __init__(self, brokers: str, topic: str, group: str, session_s: float = SESSION_S) -> None:
        """``brokers`` are ``host:port``, with commas between. Connects in the background."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": group,
                "client.id": "payflow-consumer",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": int(session_s * 1000),
                "heartbeat.interval.ms": int(session_s * 300),
                "topic.metadata.refresh.interval.ms": METADATA_EVERY_MS,
                "error_cb": _tell,
                "on_commit": _tell_uncommitted,
                # What matters comes through error_cb.
                "log_level": 0,
            }
        )
        self._consumer.subscribe([topic])
        self._offsets: dict[tuple[str, int], int] = {}

    def poll(self, batch_max: int, wait_s: float) -> list[Message]:
        """See Source."""
        first = self._consumer.poll(wait_s)
        if first is None:
            return []
        # What is here already; nothing more is waited for.
        received = [first, *self._consumer.consume(batch_max - 1, timeout=0)] if batch_max > 1 else [first]
        return [self._taken(message) for message in received if _is_sound(message)]

    def commit(self) -> None:
        """See Source."""
        offsets = [TopicPartition(topic, number, offset) for (topic, number), offset in self._offsets.items()]
        self._offsets.clear()
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            _tell(error.args[0])

    def close(self) -> None:
        """See Source."""
        self._consumer.close()

    def _taken(self, message: KafkaMessage) -> Message:
        self._offsets[str(message.topic()), message.partition() or 0] = (message.offset() or 0) + 1
        received = cast(list[tuple[str, bytes | None]], message.headers() or [])
        headers = {name: (content or b"").decode("utf-8", "replace") for name, content in received}
        return Message(headers, message.value() or b"")


def _is_sound(message: KafkaMessage) -> bool:
    error = message.error()
    if error is not None:
        _tell(error)
    return error is None


def _tell(error: KafkaError) -> None:
    log.info("Kafka: %s", error)


def _tell_uncommitted(error: KafkaError | None, partitions: list[TopicPartition]) -> None:
    if error is not None:
        log.info("offsets were not committed, so their messages come again: %s", error)
