"""Starts the processes of the stack, watches over them, and stops them in reverse order."""

from __future__ import annotations

import os
import selectors
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol, cast

from server.dev.leftovers import ProcessRecord
from server.dev.process import Command, RunningProcess
from server.dev.process_log import ProcessLog

READY_TIMEOUT_S = 60
POLL_S = 0.2
READY_POLL_S = 0.02
# A pipe holds 64 KB, as much as one read takes: what was said before the end is read by then.
LAST_READS_MAX = 16
RESTARTS_MAX = 5
RESTARTS_WINDOW_S = 60
RESTART_DELAYS_S = (0.2, 0.5, 1, 2, 4)


class Console(Protocol):
    """Where a person reads what is going on."""

    def say(self, message: str) -> None: ...

    def warn(self, message: str) -> None: ...


class StackFailed(Exception):
    """A process of the stack could not be started, or kept dying; the message shows the end of its log."""


class StopRequested(Exception):
    """Somebody asked the stack to stop while it was starting."""


class _Watched:
    """A command, its present process, its log, and when it was restarted lately."""

    def __init__(self, command: Command, log: ProcessLog) -> None:
        self.command = command
        self.log = log
        self.process = RunningProcess(command)
        self.restarts: deque[float] = deque()
        self.restart_at: float | None = None


class Supervisor:
    """Owns the processes that it starts; not safe for use by several threads.

    ``stop_requests`` counts the requests to stop so far: at one the stack stops in order, at two what is
    left is killed.
    """

    def __init__(
        self, logs: Path, record: ProcessRecord, console: Console, stop_requests: Callable[[], int]
    ) -> None:
        self._logs = logs
        self._record = record
        self._console = console
        self._stop_requests = stop_requests
        self._watched: dict[str, _Watched] = {}
        self._selector = selectors.DefaultSelector()

    def start(self, command: Command) -> None:
        """Starts ``command`` and does not wait for it."""
        watched = _Watched(command, ProcessLog(self._logs / f"{command.name}.log"))
        self._watched[command.name] = watched
        self._attend(watched)

    def wait_ready(self, command: Command) -> None:
        """Waits until ``command`` is ready.

        Raises StackFailed when any process ends or `READY_TIMEOUT_S` have gone, StopRequested when
        somebody asked to stop.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not command.ready():
            if self._stop_requests():
                raise StopRequested
            if time.monotonic() > deadline:
                raise StackFailed(self._account(command.name, f"is not ready after {READY_TIMEOUT_S} s"))
            for watched in self._watched.values():
                if ending := watched.process.ending():
                    self._read_output(0)
                    raise StackFailed(self._account(watched.command.name, ending))
            self._read_output(READY_POLL_S)

    def run(self) -> None:
        """Watches until somebody asks to stop, restarting what ends; StackFailed when it keeps ending."""
        while not self._stop_requests():
            self._read_output(POLL_S)
            for watched in self._watched.values():
                self._revive(watched)

    def stop(self) -> None:
        """Stops everything that runs, last started first, each within its bound."""
        for watched in reversed(self._watched.values()):
            watched.process.ask_to_stop()
            deadline = time.monotonic() + watched.command.stop_timeout_s
            while watched.process.ending() is None:
                if time.monotonic() > deadline or self._stop_requests() > 1:
                    self._console.warn(f"{watched.command.name} did not stop in time and is killed")
                    break
                self._read_output(READY_POLL_S)
            watched.process.kill_group()
        self._close_outputs()
        for watched in self._watched.values():
            watched.log.close()
        self._record.clear()

    def _revive(self, watched: _Watched) -> None:
        name, now = watched.command.name, time.monotonic()
        if watched.restart_at is not None:
            if now >= watched.restart_at:
                watched.restart_at = None
                watched.process = RunningProcess(watched.command)
                self._attend(watched)
            return
        ending = watched.process.ending()
        if ending is None:
            return
        self._read_output(0)
        watched.process.kill_group()
        while watched.restarts and watched.restarts[0] < now - RESTARTS_WINDOW_S:
            watched.restarts.popleft()
        if len(watched.restarts) >= RESTARTS_MAX:
            raise StackFailed(self._account(name, f"{ending}, again after {RESTARTS_MAX} restarts"))
        delay_s = RESTART_DELAYS_S[len(watched.restarts)]
        watched.restarts.append(now)
        watched.restart_at = now + delay_s
        self._console.warn(self._account(name, f"{ending}; restarting it in {delay_s} s"))

    def _attend(self, watched: _Watched) -> None:
        os.set_blocking(watched.process.output.fileno(), False)
        self._selector.register(watched.process.output, selectors.EVENT_READ, watched)
        self._record.note(watched.process)

    def _read_output(self, timeout_s: float) -> bool:
        """Reads what there is of each output, a chunk at most; whether there was anything."""
        ready = self._selector.select(timeout_s)
        for key, _ in ready:
            watched: _Watched = key.data
            data = os.read(key.fd, 65_536)
            if not data:
                self._close_output(key)
                continue
            for line in watched.log.write(data):
                if watched.command.echoes_warnings:
                    self._console.warn(f"{watched.command.name}: {line}")
        return bool(ready)

    def _close_output(self, key: selectors.SelectorKey) -> None:
        # Not the output of ``key.data.process``: that may be the next process already.
        self._selector.unregister(key.fileobj)
        cast("IO[bytes]", key.fileobj).close()

    def _close_outputs(self) -> None:
        """Reads to the ends, except where a stray child still holds one open."""
        for _ in range(LAST_READS_MAX):
            if not self._read_output(0):
                break
        for key in list(self._selector.get_map().values()):
            self._close_output(key)
        self._selector.close()

    def _account(self, name: str, what: str) -> str:
        log = self._watched[name].log
        lines = "".join(f"\n  | {line}" for line in log.tail())
        return f"{name} {what}; its log is {log.path}{lines}"
