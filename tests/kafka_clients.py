"""What tests ask a broker for themselves, whichever broker it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.waiting import WAIT_S, wait_until

PROBE_TIMEOUT_S = 1.0


def admin(port: int) -> AdminClient:
    """A client that keeps what it thinks of a broker that is away to itself."""
    return AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})


def make_topic(port: int, name: str, partitions: int) -> None:
    """Makes a topic, and waits until it is there."""
    client = admin(port)
    client.create_topics([NewTopic(name, partitions, 1)])[name].result(WAIT_S)


def wait_until_it_answers(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until the broker that ``process`` is to become says who it is."""
    client = admin(port)

    def answers() -> bool:
        try:
            return bool(client.list_topics(timeout=PROBE_TIMEOUT_S).brokers)
        except KafkaException:
            return False

    wait_until(lambda: answers() or process.poll() is not None)
    if process.poll() is not None:
        raise AssertionError(f"the broker does not start:\n{log.read_text()}")
