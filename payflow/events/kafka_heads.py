"""Heads in a Kafka topic that never forgets: key = the chain's number, value = the head as JSON."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from payflow.domain.proof.block import Block
from payflow.domain.proof.published_head import PublishedHead, from_json, to_json
from payflow.events.heads import HeadsUnpublishedError

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
DELIVERY_TIMEOUT_MS = 30_000
GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
KEPT_FOREVER = {"retention.ms": "-1", "cleanup.policy": "delete"}


class KafkaHeads:
    """Fulfils payflow.events.heads.HeadsTopic. A place is ``partition:offset``."""

    def __init__(self, brokers: str, topic: str) -> None:
        """Nothing is asked of the brokers before the first call."""
        self._brokers = brokers
        self._topic = topic
        self._producer: Producer | None = None

    def publish(self, blocks: Sequence[Block]) -> list[str]:
        """Waits for the delivery report of every one."""
        producer = self._producing()
        reports: list[Future[str]] = []
        try:
            for block in blocks:
                report: Future[str] = Future()
                producer.produce(
                    self._topic, to_json(block), str(block.header.part), on_delivery=_reporter(report)
                )
                reports.append(report)
            producer.flush(DELIVERY_TIMEOUT_MS / 1000 + TIMEOUT_S)
            return [report.result(timeout=0) for report in reports]
        except (KafkaException, BufferError, TimeoutError) as error:
            # Whatever a failed producer still holds is published by the next one.
            self.close()
            raise HeadsUnpublishedError(f"{self._topic}: {error}") from error

    def lost(self, places: Iterable[str]) -> set[str]:
        """Places that the logs of their partitions end before."""
        with _consumer(self._brokers) as consumer:
            return {place for place in places if self._end(consumer, place) <= int(place.split(":")[1])}

    def heads(self) -> Iterator[PublishedHead]:
        """From the beginning to the end as it is now. Raises HeadsUnpublishedError, UnreadableHeadError."""
        with _consumer(self._brokers) as consumer:
            try:
                found = consumer.list_topics(self._topic, TIMEOUT_S).topics[self._topic]
                if found.error is not None:
                    raise KafkaException(found.error)
                for partition in found.partitions:
                    yield from self._of_partition(consumer, partition)
            except KafkaException as error:
                raise HeadsUnpublishedError(f"{self._topic}: {error}") from error

    def close(self) -> None:
        """Lets go of the producer; the next publication makes another."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(TIMEOUT_S)
            self._producer = None

    def _end(self, consumer: Consumer, place: str) -> int:
        """Where the log of a place's partition ends; 0 without such a partition."""
        try:
            partition = TopicPartition(self._topic, int(place.split(":", maxsplit=1)[0]))
            return int(consumer.get_watermark_offsets(partition, TIMEOUT_S)[1])
        except KafkaException as error:
            if error.args[0].code() in GONE:
                return 0
            raise HeadsUnpublishedError(f"{self._topic}: {error}") from error

    def _of_partition(self, consumer: Consumer, partition: int) -> Iterator[PublishedHead]:
        _, end = consumer.get_watermark_offsets(TopicPartition(self._topic, partition), TIMEOUT_S)
        consumer.assign([TopicPartition(self._topic, partition, OFFSET_BEGINNING)])
        position = 0
        gives_up_at = time.monotonic() + TIMEOUT_S
        while position < end:
            message = consumer.poll(TIMEOUT_S)
            if message is None:
                if time.monotonic() > gives_up_at:
                    raise HeadsUnpublishedError(f"{self._topic}: partition {partition} ends before its end")
                continue
            error = message.error()
            if error is not None:
                raise KafkaException(error)
            gives_up_at = time.monotonic() + TIMEOUT_S
            position = (message.offset() or 0) + 1
            yield from_json(message.value() or b"")

    def _producing(self) -> Producer:
        if self._producer is None:
            _create(self._brokers, self._topic)
            self._producer = Producer(
                {
                    "bootstrap.servers": self._brokers,
                    "enable.idempotence": True,
                    "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
                }
            )
        return self._producer


def _create(brokers: str, topic: str) -> None:
    """Makes the topic where it is not there, to be kept for good; one partition keeps all in order."""
    try:
        created = AdminClient({"bootstrap.servers": brokers}).create_topics(
            [NewTopic(topic, num_partitions=1, config=KEPT_FOREVER)], operation_timeout=TIMEOUT_S
        )
        created[topic].result(TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise HeadsUnpublishedError(f"{topic}: {error}") from error
    except TimeoutError as error:
        raise HeadsUnpublishedError(f"{topic}: no broker answers") from error


def _reporter(report: Future[str]) -> Any:
    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            report.set_exception(KafkaException(error))
        else:
            report.set_result(f"{message.partition()}:{message.offset()}")

    return delivered


def _consumer(brokers: str) -> Consumer:
    """One that reads by itself, in no group; used in a ``with``, it is closed behind it."""
    return Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "payflow-heads",
            "enable.auto.commit": False,
        }
    )
