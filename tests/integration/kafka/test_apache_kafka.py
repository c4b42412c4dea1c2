"""The node of Apache Kafka that `make test-kafka` uses keeps what it acknowledged when it is killed."""

from __future__ import annotations

from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.apache_kafka.node import ApacheKafka, running_apache_kafka
from tests.kafka_clients import make_topic
from tests.ports import free_port
from tests.waiting import WAIT_S

TOPIC = "kept"


def test_what_a_node_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    with running_apache_kafka(tmp_path, free_port()) as node:
        make_topic(node.port, TOPIC, partitions=1)
        _produce(node, "before")
        node.kill()
        node.start()
        _produce(node, "behind")
        assert _consumed(node, 2) == ["before", "behind"]


def _produce(node: ApacheKafka, value: str) -> None:
    producer = Producer({"bootstrap.servers": f"127.0.0.1:{node.port}", "enable.idempotence": True})
    producer.produce(TOPIC, value)
    assert producer.flush(WAIT_S) == 0


def _consumed(node: ApacheKafka, count: int) -> list[str]:
    consumer = Consumer({"bootstrap.servers": f"127.0.0.1:{node.port}", "group.id": "test"})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    messages = consumer.consume(count, WAIT_S)
    consumer.close()
    return [(message.value() or b"").decode() for message in messages]
