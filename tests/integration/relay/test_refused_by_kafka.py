"""Apache Kafka refuses whole batches and ends their producer: nothing overtakes what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from confluent_kafka.cimpl import NewTopic

from payflow.domain.dead_letter import DeadLetterState
from payflow.events.relay.batch import TRIES_MAX
from payflow.v1 import events_pb2
from tests.apache_kafka.node import running_apache_kafka
from tests.databases import Database
from tests.kafka_clients import admin
from tests.ports import free_port
from tests.relays import first_occurrences, in_topic, topic_stand
from tests.waiting import WAIT_S, wait_until

BYTES_MAX = 2_000
LARGE = events_pb2.PaymentIntentCreated(payment_method="x" * BYTES_MAX).SerializeToString()
STATES = "SELECT aggregate_version, state, tries FROM dead_letters ORDER BY aggregate_version"


def test_what_a_broker_refuses_is_parked_and_what_it_takes_down_is_not(
    new_database: Callable[[], Database], tmp_path: Path
) -> None:
    with (
        running_apache_kafka(tmp_path, free_port()) as node,
        topic_stand(new_database(), f"127.0.0.1:{node.port}") as stand,
    ):
        topic = NewTopic(stand.topic, 2, 1, config={"max.message.bytes": str(BYTES_MAX)})
        client = admin(node.port)
        client.create_topics([topic])[stand.topic].result(WAIT_S)
        stand.write("pi_1", 1)
        stand.write("pi_1", 2, payload=LARGE)
        stand.write("pi_1", 3, 4)
        for number in range(20):
            stand.write(f"pi_other_{number}", 1)
        with stand.running():
            wait_until(lambda: len(stand.as_owner(STATES)) == 3)
            published = in_topic(f"127.0.0.1:{node.port}", stand.topic, 21)
    assert stand.as_owner(STATES) == [
        (2, DeadLetterState.PARKED, TRIES_MAX),
        (3, DeadLetterState.WAITING, 0),
        (4, DeadLetterState.WAITING, 0),
    ]
    others = {f"pi_other_{number}": [1] for number in range(20)}
    assert first_occurrences(published) == {"pi_1": [1]} | others
