"""Events in a Kafka topic, on a broker that goes away, forgets, or refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from payflow.domain.dead_letter import DeadLetterState, LetterKey
from payflow.events.relay.batch import TRIES_MAX
from payflow.events.relay.kafka_publisher import PARTITIONS, KafkaPublisher
from payflow.events.relay.publisher import PublisherFailedError
from payflow.events.relay.retries import RELAY
from payflow.v1 import events_pb2
from tests.cutting_proxy import running_cutting_proxy
from tests.databases import Database
from tests.dead_letters import ask_for_retry, connected
from tests.kafka_clients import admin
from tests.ports import free_port
from tests.relays import Stand, first_occurrences, in_topic, topic_stand
from tests.tansu import running_tansu
from tests.waiting import WAIT_S, wait_until

SMALL_BYTES_MAX = 2_000
LARGE = events_pb2.PaymentIntentCreated(payment_method="x" * SMALL_BYTES_MAX).SerializeToString()


@pytest.fixture
def stand(
    new_database: Callable[[], Database], kafka_brokers: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stand]:
    """A stand whose relays publish to a Kafka topic of a broker that is always there."""
    monkeypatch.setattr("payflow.events.relay.kafka_publisher.TIMEOUT_S", WAIT_S)
    with topic_stand(new_database(), kafka_brokers) as made:
        yield made


def _lease(stand: Stand) -> datetime:
    [(ends,)] = stand.as_owner("SELECT max(lease_until) FROM relay_parts")
    assert isinstance(ends, datetime)
    return ends


def test_events_are_in_the_topic_under_their_aggregates_id(stand: Stand, kafka_brokers: str) -> None:
    stand.write("pi_1", *range(1, 101))
    stand.write("pi_2", 1, merchant_id="stall")
    stand.drain(stand.relay())
    published = in_topic(kafka_brokers, stand.topic, 101)
    assert first_occurrences(published) == {"pi_1": list(range(1, 101)), "pi_2": [1]}
    assert len(published) == 101
    topics = admin(int(kafka_brokers.rpartition(":")[2])).list_topics(timeout=WAIT_S).topics
    assert len(topics[stand.topic].partitions) == PARTITIONS


def test_a_topic_that_was_made_anew_gets_everything_again(stand: Stand, kafka_brokers: str) -> None:
    relay = stand.relay()
    stand.write("pi_1", 1, 2, 3)
    stand.drain(relay)
    client = admin(int(kafka_brokers.rpartition(":")[2]))
    client.delete_topics([stand.topic])[stand.topic].result(WAIT_S)
    stand.write("pi_1", 4)
    for _ in range(3):
        stand.drain(relay)
    published = in_topic(kafka_brokers, stand.topic, 4)
    assert first_occurrences(published)["pi_1"][-1] == 4
    assert {event.aggregate_version for event in published} == {1, 2, 3, 4}


def test_an_event_that_is_too_large_is_parked_and_can_be_tried_again(
    stand: Stand, kafka_brokers: str
) -> None:
    relay = stand.relay(lambda: KafkaPublisher(kafka_brokers, stand.topic, SMALL_BYTES_MAX))
    stand.write("pi_1", 1)
    stand.write("pi_1", 2, payload=LARGE)
    stand.write("pi_1", 3)
    stand.write("pi_2", 1)
    stand.drain(relay)
    assert stand.as_owner("SELECT aggregate_version, state, tries FROM dead_letters ORDER BY 1") == [
        (2, DeadLetterState.PARKED, TRIES_MAX),
        (3, DeadLetterState.WAITING, 0),
    ]
    assert first_occurrences(in_topic(kafka_brokers, stand.topic, 2)) == {"pi_1": [1], "pi_2": [1]}
    relay.close()
    with connected(stand.database.application_url) as connection:
        ask_for_retry(connection, LetterKey("shop", RELAY, "pi_1", 2))
    stand.drain(stand.relay())
    assert stand.as_owner("SELECT FROM dead_letters") == []
    assert first_occurrences(in_topic(kafka_brokers, stand.topic, 4)) == {"pi_1": [1, 2, 3], "pi_2": [1]}


def test_a_broker_may_be_away_for_any_time(new_database: Callable[[], Database]) -> None:
    port, behind = free_port(), free_port()
    with (
        running_tansu(behind, port) as brokers,
        running_cutting_proxy(port, behind) as proxy,
        topic_stand(new_database(), brokers) as stand,
        stand.running(),
    ):
        stand.write("pi_1", 1)
        in_topic(brokers, stand.topic, 1)
        proxy.refuse()
        stand.write("pi_1", 2)
        stand.write("pi_2", 1)
        # Meanwhile it keeps what it holds.
        for _ in range(3):
            lease = _lease(stand)
            wait_until(lambda: _lease(stand) > lease)  # noqa: B023 (asked at once)
        stand.write("pi_1", 3)
        proxy.accept()
        published = in_topic(brokers, stand.topic, 4)
    assert first_occurrences(published) == {"pi_1": [1, 2, 3], "pi_2": [1]}


def test_a_broker_that_is_not_there_is_told() -> None:
    with pytest.raises(PublisherFailedError):
        KafkaPublisher(f"127.0.0.1:{free_port()}", "events")


def test_what_a_broker_forgot_is_published_again(new_database: Callable[[], Database]) -> None:
    """It keeps its topics in memory; the relay lives through its end."""
    port = free_port()
    with topic_stand(new_database(), f"127.0.0.1:{port}") as stand, stand.running():
        with running_tansu(port) as brokers:
            stand.write("pi_1", 1, 2)
            assert first_occurrences(in_topic(brokers, stand.topic, 2)) == {"pi_1": [1, 2]}
            wait_until(lambda: sum(stand.as_owner("SELECT ends FROM relay_topics")[0][0]) > 0)
        stand.write("pi_1", 3)
        with running_tansu(port) as brokers:
            stand.write("pi_1", 4)
            published = in_topic(brokers, stand.topic, 4)
    assert {event.aggregate_version for event in published} == {1, 2, 3, 4}
