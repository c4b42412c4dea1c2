"""The Kafka-compatible broker that the tests start by themselves; it keeps its topics in memory."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.dev.wheels import kafka_broker
from tests.kafka_clients import wait_until_it_answers
from tests.waiting import WAIT_S


@contextmanager
def running_tansu(port: int, advertised_port: int | None = None) -> Iterator[str]:
    """A broker on ``port`` that sends its clients to ``advertised_port``, both on 127.0.0.1.

    Gives what ``KAFKA_BROKERS`` is to be.
    """
    address = f"127.0.0.1:{advertised_port or port}"
    command = [
        str(kafka_broker()),
        "broker",
        f"--listener-url=tcp://127.0.0.1:{port}",
        f"--advertised-listener-url=tcp://{address}",
        "--storage-engine=memory://tansu/",
    ]
    with tempfile.TemporaryDirectory(prefix="payflow-kafka-") as name:
        log = Path(name) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={"PATH": os.environ["PATH"]},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            wait_until_it_answers(port, process, log)
            yield address
        finally:
            process.kill()
            process.wait(WAIT_S)
