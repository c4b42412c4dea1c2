"""A consumer in a process of its own that kills itself between its commit and the one at its source.

Arguments: database URL, name, address of the source, topic, seconds until a dead member is missed, and how
many batches it survives.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from payflow.events.consumer import Consumer, ConsumerLimits
from payflow.events.consumer.kafka_source import KafkaSource
from payflow.events.consumer.redis_source import RedisSource
from payflow.events.consumer.source import Message, Source
from tests.effects import Effects

BATCH_MAX = 20


class Doomed:
    """A source that ends its process when its last batch has taken effect."""

    def __init__(self, source: Source, batches: int) -> None:
        self._source = source
        self._batches = batches

    def poll(self, batch_max: int, wait_s: float) -> list[Message]:
        return self._source.poll(batch_max, wait_s)

    def commit(self) -> None:
        if self._batches == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._batches -= 1
        self._source.commit()

    def close(self) -> None:
        self._source.close()


def source(address: str, topic: str, group: str, missed_after_s: float) -> Source:
    """A Redis stream where the address is a URL, a Kafka topic where it is not."""
    if "://" in address:
        return RedisSource(address, topic, group, missed_after_s)
    return KafkaSource(address, topic, group, missed_after_s)


def main(url: str, name: str, address: str, topic: str, missed_after_s: str, batches: str) -> None:
    """Consumes until it is killed."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    doomed = Doomed(source(address, topic, name, float(missed_after_s)), int(batches))
    limits = ConsumerLimits(batch_max=BATCH_MAX, wait_s=0.1)
    Consumer(name, doomed, Effects(name), url, limits=limits).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
