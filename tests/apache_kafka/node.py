"""One node of Apache Kafka, broker and controller in one, on a data directory that outlives its processes."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kafka_clients import wait_until_it_answers
from tests.ports import free_port
from tests.waiting import WAIT_S

POM = Path(__file__).with_name("pom.xml")
RESOLVE_TIMEOUT_S = 540
CLUSTER_ID = "UGF5Rmxvdy10ZXN0cy0wMQ"
# Nodes are started often and run for minutes: what takes long to compile never pays.
JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")

# https://kafka.apache.org/documentation/#brokerconfigs: one node, with as little to start as it can have.
PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised_port}
log.dirs={data}
num.partitions=4
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
# For so long a node that was killed is not believed to be back.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=250
"""


@dataclass(slots=True)
class ApacheKafka:
    """Listens on ``port`` and sends its clients to ``advertised_port``, both on 127.0.0.1."""

    java: tuple[str, ...]
    directory: Path
    port: int
    advertised_port: int
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def prepared(cls, directory: Path, port: int, advertised_port: int) -> ApacheKafka:
        """A node with an empty data directory, not started.

        Skips the test where there is no Java or no Maven, or Kafka cannot be had.
        """
        java = _java_with_kafka(directory)
        properties = PROPERTIES.format(
            port=port, controller_port=free_port(), advertised_port=advertised_port, data=directory / "data"
        )
        (directory / "server.properties").write_text(properties)
        node = cls(java, directory, port, advertised_port)
        formatting = ("format", "--cluster-id", CLUSTER_ID, "--config", str(node._properties))
        subprocess.run(
            [*java, "kafka.tools.StorageTool", *formatting], check=True, capture_output=True, timeout=WAIT_S
        )
        return node

    @property
    def log(self) -> Path:
        """What its processes printed."""
        return self.directory / "kafka.log"

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.java, "kafka.Kafka", str(self._properties)],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until_it_answers(self.port, self.process, self.log)

    def stop(self) -> None:
        """SIGTERM: it hands over what it has to and ends."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    @property
    def _properties(self) -> Path:
        return self.directory / "server.properties"

    def _end(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(WAIT_S)


@contextmanager
def running_apache_kafka(
    directory: Path, port: int, advertised_port: int | None = None
) -> Iterator[ApacheKafka]:
    """A node that was started; it is killed behind it. Skips the test where there is none to be had."""
    node = ApacheKafka.prepared(directory, port, advertised_port or port)
    try:
        node.start()
        yield node
    finally:
        node.kill()


def _java_with_kafka(directory: Path) -> tuple[str, ...]:
    """The command that runs Kafka's classes, which Maven's own cache makes quick from the second time on."""
    java, maven = shutil.which("java"), shutil.which("mvn")
    if java is None or maven is None:
        pytest.skip("Apache Kafka needs Java 17 and Maven on PATH")
    classpath = directory / "classpath"
    resolved = subprocess.run(
        [
            *(maven, "--batch-mode", "--quiet", "--strict-checksums", f"--file={POM}"),
            *("dependency:build-classpath", "-Dmdep.includeScope=runtime", f"-Dmdep.outputFile={classpath}"),
        ],
        capture_output=True,
        text=True,
        timeout=RESOLVE_TIMEOUT_S,
        check=False,
    )
    if resolved.returncode != 0:
        pytest.skip(f"Apache Kafka cannot be had here: {resolved.stdout[-500:]}")
    log_level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return (java, *JVM, log_level, "-cp", classpath.read_text().strip())
