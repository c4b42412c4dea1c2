"""What a client saw of one call, written to a file as it happens and read again one by one."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple


class Observation(NamedTuple):
    """One call from its first attempt to its answer; times are seconds of CLOCK_MONOTONIC.

    ``response`` is empty where the call was refused, for ``reason``. Messages are in protobuf's wire format.
    """

    rpc: str
    merchant_id: str
    key: str
    invoked: float
    answered: float
    request: bytes
    response: bytes
    reason: str = ""
    metadata: Mapping[str, str] = {}


class Recording:
    """Appends observations to a file; any thread may."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb")
        self._lock = threading.Lock()

    def note(self, observation: Observation) -> None:
        """Writes one down."""
        line = pickle.dumps(tuple(observation))
        with self._lock:
            self._file.write(line)

    def flush(self) -> None:
        """Brings everything into the file."""
        with self._lock:
            self._file.flush()

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()


def observations(path: Path) -> Iterator[Observation]:
    """Everything that was written, in order, one at a time."""
    with path.open("rb") as file:
        while True:
            try:
                yield Observation(*pickle.load(file))
            except EOFError:
                return
