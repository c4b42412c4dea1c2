"""What a process of the stack prints: a log file of bounded size, and the lines a person should see."""

from __future__ import annotations

import json
import re
from collections import deque
from pathlib import Path

FILE_BYTES_MAX = 10_000_000
LINE_BYTES_MAX = 65_536
TAIL_LINES = 20

_CONSOLE_RECORD = re.compile(rb"\d{4}-\d\d-\d\dT\S+ ([A-Z]+) ")
_LEVELS_SHOWN = {"warning", "error", "critical"}


class ProcessLog:
    """Appends to ``path``; at `FILE_BYTES_MAX` the file becomes ``path`` + ``.1`` and a new one starts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab")
        self._unfinished = b""
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._showing = False

    def write(self, data: bytes) -> list[str]:
        """Keeps ``data``; returns its finished lines of level warning or above, tracebacks included."""
        self._append(data)
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        if len(self._unfinished) > LINE_BYTES_MAX:
            lines, self._unfinished = [*lines, self._unfinished], b""
        return [text for line in lines if (text := self._seen(line)) is not None]

    def tail(self) -> list[str]:
        """The last `TAIL_LINES` lines of this run."""
        return list(self._tail)

    def close(self) -> None:
        self._file.close()

    def _append(self, data: bytes) -> None:
        if self._file.tell() + len(data) > FILE_BYTES_MAX:
            self._file.close()
            self.path.replace(self.path.with_name(self.path.name + ".1"))
            self._file = self.path.open("ab")
        self._file.write(data)
        self._file.flush()

    def _seen(self, line: bytes) -> str | None:
        text = line.decode(errors="replace").rstrip()
        self._tail.append(text)
        level = _level(line)
        if level is not None:
            self._showing = level in _LEVELS_SHOWN
        return text if self._showing else None


def _level(line: bytes) -> str | None:
    """The level of a record's first line; None for a line that continues one, or is no record."""
    if match := _CONSOLE_RECORD.match(line):
        return match[1].decode().lower()
    if line.startswith(b"{"):
        try:
            return str(json.loads(line).get("level", ""))
        except ValueError:
            return None
    return None
