"""The broker of a run, behind a proxy that all of its clients go through."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.apache_kafka.node import ApacheKafka, running_apache_kafka
from tests.cutting_proxy import CuttingProxy, running_cutting_proxy
from tests.kafka_clients import make_topic
from tests.ports import free_port
from tests.tansu import running_tansu

TANSU = "tansu"
APACHE_KAFKA = "apache-kafka"
TOPIC = "payments.events"
PARTITIONS = 4

CALM, CUT, REFUSE, DELAY = "calm", "cut", "refuse", "delay"
REFUSED_S = (0.1, 1.0)
DELAYED_S = (0.005, 0.05)
DOWN_S = (0.0, 2.0)


@dataclass(slots=True)
class Broker:
    """``node`` is None for one that keeps nothing when it ends, and so is never ended."""

    proxy: CuttingProxy
    node: ApacheKafka | None
    troubles: Counter[str] = field(default_factory=Counter)

    @property
    def addresses(self) -> str:
        """As KAFKA_BROKERS has them."""
        return f"127.0.0.1:{self.proxy.port}"

    def trouble(self, decisions: random.Random) -> None:
        """Something happens to the connections; a delay stays until the next time."""
        what = decisions.choice((CALM, CUT, CUT, REFUSE, DELAY))
        self.troubles[what] += 1
        self.proxy.delay(decisions.uniform(*DELAYED_S) if what == DELAY else 0)
        if what == CUT:
            self.proxy.cut()
        elif what == REFUSE:
            self.proxy.refuse()
            time.sleep(decisions.uniform(*REFUSED_S))
            self.proxy.accept()

    def calm_down(self) -> None:
        """Nothing more happens."""
        self.proxy.delay(0)

    def end_and_start(self, decisions: random.Random) -> None:
        """The node is stopped or killed, and comes back after a while."""
        if self.node is None:
            return
        name, end = decisions.choice([("stopped", self.node.stop), ("killed", self.node.kill)])
        end()
        self.troubles[f"broker {name}"] += 1
        time.sleep(decisions.uniform(*DOWN_S))
        self.node.start()


@contextmanager
def running_broker(kind: str, directory: Path) -> Iterator[Broker]:
    """A broker with the topic. Skips the test where Apache Kafka is wanted and cannot be had."""
    port, proxy_port = free_port(), free_port()
    with running_cutting_proxy(proxy_port, port) as proxy:
        if kind == APACHE_KAFKA:
            with running_apache_kafka(directory, port, proxy_port) as node:
                make_topic(port, TOPIC, PARTITIONS)
                yield Broker(proxy, node)
        else:
            with running_tansu(port, proxy_port):
                make_topic(port, TOPIC, PARTITIONS)
                yield Broker(proxy, None)
