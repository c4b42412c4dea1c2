"""One process of the stack: how it is started, told to stop, and kept from outliving its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from server.dev import launch

_LAUNCHER = (sys.executable, "-IS", launch.__file__)


@dataclass(frozen=True, slots=True)
class SystemUser:
    """A system user that a process runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run, when it counts as ready, and how it is stopped.

    ``ready`` is asked again and again until it says yes. ``parent_death_signal`` is what the process
    gets when its parent dies without stopping it (Linux only). ``echoes_warnings`` shows the warnings
    and errors that it logs on the console.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    ready: Callable[[], bool]
    directory: Path | None = None
    user: SystemUser | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 20
    parent_death_signal: signal.Signals = signal.SIGKILL
    echoes_warnings: bool = False


class RunningProcess:
    """A started command, leader of a session of its own, so that a Ctrl-C does not reach it."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self._process = subprocess.Popen(
            (*_LAUNCHER, *_launched_as(command), *command.argv),
            env=dict(command.environment),
            cwd=command.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> IO[bytes]:
        """Standard output and standard error, together."""
        assert self._process.stdout is not None
        return self._process.stdout

    def ending(self) -> str | None:
        """How it ended, in words; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"

    def ask_to_stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(self.command.stop_signal)

    def kill_group(self) -> None:
        """Kills it and whatever it started and left behind."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


def _launched_as(command: Command) -> tuple[str, ...]:
    user = command.user or SystemUser(launch.KEEPS_USER, launch.KEEPS_USER)
    return tuple(str(int(one)) for one in (os.getpid(), command.parent_death_signal, user.uid, user.gid))
