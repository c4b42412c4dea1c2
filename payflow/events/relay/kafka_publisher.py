"""Publishes to a Kafka topic, by librdkafka's idempotent producer.

Its settings are in https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md, and how it keeps
order through retries in INTRODUCTION.md beside it, under "Idempotent Producer".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # not in __all__
from confluent_kafka.cimpl import NewTopic

from payflow.events.cloud_event import headers_of
from payflow.events.published_event import PublishedEvent
from payflow.events.relay.publisher import Outcome, PublisherFailedError

log = logging.getLogger(__name__)

# Of a topic that is not there yet; the broker's own default is one. As many as the relay has parts.
PARTITIONS = 16
TIMEOUT_S = 2.0
POLL_S = 0.1
LAST_POLLS = 10
MESSAGE_BYTES_MAX = 10_000_000
BROKERS_DEFAULTS: Mapping[str, str] = {}

SETTINGS = {
    "client.id": "payflow-relay",
    "enable.idempotence": True,
    "acks": "all",
    # A message that is refused ends the producer, so that none behind it is published.
    "enable.gapless.guarantee": True,
    # Never gives up a message: those behind it would be published without it.
    "message.timeout.ms": 0,
    "message.max.bytes": MESSAGE_BYTES_MAX,
    "queue.buffering.max.messages": 20_000,
    "queue.buffering.max.kbytes": 32_768,
    "linger.ms": 2,
    # Java's, so that other producers can put what belongs together on the same partition.
    "partitioner": "murmur2_random",
    "log_level": 0,
}

# The event itself is refused; everything else is about the topic, the broker or the way to it.
REFUSALS = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
    }
)


class KafkaPublisher:
    """Fulfils payflow.events.relay.publisher.Publisher. Not for several threads."""

    def __init__(
        self,
        brokers: str,
        topic: str,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
        topic_settings: Mapping[str, str] = BROKERS_DEFAULTS,
    ) -> None:
        """``brokers`` is KAFKA_BROKERS; a topic that is missing is made, with ``topic_settings``.

        Raises PublisherFailedError.
        """
        self._topic = topic
        self._topic_settings = topic_settings
        self._admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
        self._partitions = self._ensure_topic()
        settings = SETTINGS | {"message.max.bytes": message_bytes_max}
        self._producer = Producer(settings | {"bootstrap.servers": brokers, "error_cb": _tell})
        self._offsets: dict[int, int] = {}

    def publish(self, events: Iterable[PublishedEvent], goes_on: Callable[[], bool]) -> Outcome:
        """See Publisher."""
        outcome = Outcome()
        for event in events:
            if not self._hand_over(event, outcome, goes_on):
                break
        self._await(outcome, goes_on)
        if outcome.failure:
            self._forget(outcome)
        return outcome

    def ends(self) -> Sequence[int]:
        """See Publisher."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        wanted = {TopicPartition(self._topic, number): latest for number in range(self._partitions)}
        try:
            found = self._admin.list_offsets(wanted, request_timeout=TIMEOUT_S)
            ends = {place.partition: future.result(TIMEOUT_S).offset for place, future in found.items()}
        except (KafkaException, TimeoutError) as error:
            raise PublisherFailedError(f"the topic's ends are not to be had: {error}") from error
        return [ends[number] for number in range(self._partitions)]

    def close(self) -> None:
        """See Publisher."""
        self._forget(Outcome())

    def _ensure_topic(self) -> int:
        """The number of the topic's partitions."""
        try:
            if not self._partition_count():
                self._create_topic()
            return self._partition_count() or self._missing()
        except (KafkaException, TimeoutError) as error:
            raise PublisherFailedError(f"the topic is not to be had: {error}") from error

    def _partition_count(self) -> int:
        found = self._admin.list_topics(timeout=TIMEOUT_S).topics.get(self._topic)
        return len(found.partitions) if found is not None and found.error is None else 0

    def _create_topic(self) -> None:
        new = NewTopic(self._topic, PARTITIONS, config={**self._topic_settings})
        made = self._admin.create_topics([new], request_timeout=TIMEOUT_S)
        try:
            made[self._topic].result(TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        else:
            log.info("made the topic %s with %s partitions", self._topic, PARTITIONS)

    def _missing(self) -> int:
        raise PublisherFailedError(f"the topic {self._topic} is not there yet")

    def _hand_over(self, event: PublishedEvent, outcome: Outcome, goes_on: Callable[[], bool]) -> bool:
        """Whether librdkafka took the event, waiting for room where it has none."""
        index = len(outcome.delivered)
        outcome.delivered.append(False)
        report = partial(self._report, outcome, index)
        headers: dict[str, str | bytes | None] = {**headers_of(event)}
        while not (outcome.failure or outcome.refused):
            try:
                self._producer.produce(
                    self._topic, event.data, event.aggregate_id, headers=headers, on_delivery=report
                )
            except BufferError:
                self._poll(outcome, goes_on)
            except KafkaException as error:
                self._fail(error.args[0], outcome, index)
            else:
                self._serve(0, outcome)
                return True
        return False

    def _await(self, outcome: Outcome, goes_on: Callable[[], bool]) -> None:
        while len(self._producer) and not outcome.failure:
            self._poll(outcome, goes_on)

    def _poll(self, outcome: Outcome, goes_on: Callable[[], bool]) -> None:
        self._serve(POLL_S, outcome)
        if not goes_on():
            outcome.failure = outcome.failure or "nobody waits for it any more"

    def _serve(self, wait_s: float, outcome: Outcome) -> None:
        """Has deliveries reported; what is fatal for the producer is raised here, between reports."""
        try:
            self._producer.poll(wait_s)
        except KafkaException as fatal:
            outcome.failure = outcome.failure or fatal.args[0].str()

    def _forget(self, outcome: Outcome) -> None:
        """Gives up what is on its way; what is known of its fate is still told."""
        self._producer.purge()
        for _ in range(LAST_POLLS):
            if not len(self._producer):
                break
            self._serve(POLL_S, outcome)

    def _report(self, outcome: Outcome, index: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            outcome.delivered[index] = True
            self._note_offset(message, outcome)
        else:
            self._fail(error, outcome, index)
            outcome.failure = outcome.failure or str(error)

    def _fail(self, error: KafkaError, outcome: Outcome, index: int) -> None:
        if error.code() in REFUSALS:
            outcome.refused[index] = error.str()
        else:
            outcome.failure = outcome.failure or str(error)

    def _note_offset(self, message: Message, outcome: Outcome) -> None:
        """An offset that was there before is of another log."""
        partition, offset = message.partition(), message.offset()
        if offset is None or partition is None or offset < 0:
            return
        outcome.lost_its_log |= offset <= self._offsets.get(partition, -1)
        self._offsets[partition] = offset


def _tell(error: KafkaError) -> None:
    log.info("Kafka: %s", error)
