"""Processes that a stack left behind when it was killed: a record of them, and their end."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil

from server.dev.process import RunningProcess

STOP_TIMEOUT_S = 30


class ProcessRecord:
    """The processes of a running stack, in a file, so that the next start can find them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._noted: dict[int, tuple[float, int]] = {}

    def note(self, process: RunningProcess) -> None:
        with suppress(psutil.NoSuchProcess):
            started_at = psutil.Process(process.pid).create_time()
            self._noted[process.pid] = (started_at, process.command.stop_signal)
        self._path.write_text(json.dumps([[pid, *noted] for pid, noted in self._noted.items()]))

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)

    def stop_leftovers(self) -> int:
        """Ends what a former stack left running and returns how many processes that were.

        A process counts only when its start time is the recorded one: numbers are used again.
        """
        leftovers = [process for pid, *noted in self._read() if (process := _same_process(pid, noted[0]))]
        signals = {pid: stop_signal for pid, _, stop_signal in self._read()}
        for process in leftovers:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signals[process.pid])
        psutil.wait_procs(leftovers, timeout=STOP_TIMEOUT_S)
        for process in leftovers:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        psutil.wait_procs(leftovers, timeout=STOP_TIMEOUT_S)
        self.clear()
        return len(leftovers)

    def _read(self) -> list[tuple[int, float, int]]:
        try:
            return [
                (pid, started_at, number) for pid, started_at, number in json.loads(self._path.read_text())
            ]
        except (FileNotFoundError, ValueError):
            return []


def _same_process(pid: int, started_at: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return process if abs(process.create_time() - started_at) < 1 else None
    except psutil.NoSuchProcess:
        return None
